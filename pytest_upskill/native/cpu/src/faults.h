// Signals that end a kernel, turned into reports with a line: a stack that is used up, a division by zero, an access
// that no check has seen, and time that has run out.
#pragma once

namespace upskill::cpu {

// From then on signals are met. Called for each launch; cheap after the first.
void watch_signals();

}  // namespace upskill::cpu
