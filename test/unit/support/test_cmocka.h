/* cmocka with all that it wants to be included first. */
#ifndef TEST_UNIT_SUPPORT_TEST_CMOCKA_H
#define TEST_UNIT_SUPPORT_TEST_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
