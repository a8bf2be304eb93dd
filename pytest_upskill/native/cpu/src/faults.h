// Signals that end a kernel, turned into reports with a line: a stack that is used up, a division by zero, an access
// that no check has seen, and time that has run out.
#pragma once

namespace upskill::cpu {

// To be called around each launch. The time runs out only in between: host code that sleeps must not be woken.
void watch_signals();
void end_watch();

}  // namespace upskill::cpu
