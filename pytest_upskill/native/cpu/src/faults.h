// Signals that end a kernel, turned into reports with a line: stack overflow, division by zero, an access that no check
// saw, and the time limit.
#pragma once

namespace upskill::cpu {

// Installs the handlers, which then also report host code that accesses device memory out of its reach.
void watch_faults();

// Encloses each launch. The time limit applies only in between: host code that sleeps must not be interrupted.
void watch_signals();
void end_watch();

}  // namespace upskill::cpu
