#include "core/mutant.h"

#ifdef KEYWAY_MUTANTS
mutant mutant_chosen = MUTANT_NONE;
#else
typedef int mutant_needs_no_code;
#endif
