// Reports of a whole program, written as they arise to the file that UPSKILL_REPORT_FILE names: they outlive a crash.
#pragma once

#include <string>

namespace upskill::cpu {

void write_to_file(const std::string& report);

}  // namespace upskill::cpu
