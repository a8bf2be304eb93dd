// Signals that end a kernel, turned into reports with a line: stack overflow, division by zero, an access that no check
// saw, and the time limit.
#pragma once

namespace upskill::cpu {

// Encloses each launch. The time limit applies only in between: host code that sleeps must not be interrupted.
void watch_signals();
void end_watch();

}  // namespace upskill::cpu
