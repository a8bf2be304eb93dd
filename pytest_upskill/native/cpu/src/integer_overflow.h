// Sums and products of signed numbers that ran over, as -fsanitize=signed-integer-overflow sees them.
//
// Such a number may be meant to (an old hash, a generator of random numbers), so it is no fault by itself: it is noted,
// and reported once the same thread follows an address into nowhere.
#pragma once

namespace upskill::cpu {

// To be called when a thread's access lies far from all memory: names the line where its arithmetic ran over, if it
// did.
void report_overflow();

}  // namespace upskill::cpu
