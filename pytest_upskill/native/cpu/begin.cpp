// Linked into every kernel's library: its initialisation function (DT_INIT), which the loader calls before any
// constructor of the kernel.
extern "C" {

void upskill_cpu_seal(void);

__attribute__((visibility("hidden"))) void upskill_begin(void) { upskill_cpu_seal(); }
}
