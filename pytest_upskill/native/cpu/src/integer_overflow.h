// Overflowing sums and products of signed integers, as -fsanitize=signed-integer-overflow sees them.
//
// Overflow may be intended (an old hash, a random number generator), so it is not a finding on its own: it is recorded,
// and reported once the same thread uses an invalid address.
#pragma once

namespace upskill::cpu {

// Called when a thread's access lies far from all memory: names the line where its arithmetic overflowed, if it did.
void report_overflow();

}  // namespace upskill::cpu
