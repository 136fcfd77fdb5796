/* JSON text. A string of bytes that is valid UTF-8 is a JSON string; any other is
 * {"base64":"..."}, so that nothing is lost and text is never mistaken for bytes. */
#ifndef TOOL_JSON_H
#define TOOL_JSON_H

#include "tool/out.h"

bool json_is_utf8(kw_slice s);

/* Bytes, by the rule above. */
void json_bytes(out *o, kw_slice s);

/* Text of our own: always a JSON string; what is not UTF-8 becomes U+FFFD. */
void json_text(out *o, const char *text);

/* One reply on one line: numbers, strings, booleans and null as themselves; arrays, sets and pushes
 * as arrays; a map as an object if all its keys are text or integers, else as an array of
 * [key, value]; an error as {"error":"..."}; infinite doubles and big numbers as strings. */
void json_reply(out *o, const kw_reply *reply);

/* A call that got no reply: {"status":..,"outcome":..,"message":..,"slot":..,"node":..}. */
void json_failure(out *o, const kw_error *err);

#endif
