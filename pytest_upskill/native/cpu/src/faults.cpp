#include "faults.h"

#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "../../device.h"
#include "block.h"
#include "fiber.h"
#include "launch_state.h"
#include "memory.h"
#include "module.h"
#include "report.h"

namespace upskill::cpu {

namespace {

enum class Stop { none, time, interrupt };
Stop wanted = Stop::none;
double limit_seconds = 0, deadline = 0;  // by the clock of `seconds_used`

struct Registers {
  uintptr_t pc, stack_pointer;
};

Registers registers_of(const void* context) {
  const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return {static_cast<uintptr_t>(machine.gregs[REG_RIP]), static_cast<uintptr_t>(machine.gregs[REG_RSP])};
#else
  return {static_cast<uintptr_t>(machine.pc), static_cast<uintptr_t>(machine.sp)};
#endif
}

// The code address of the fault in the kernel: the instruction itself, or, within the runtime or a library, the return
// address into the kernel. Like all code addresses here it has the form of a return address.
uintptr_t place_in_kernel(const Registers& registers) {
  if (is_code(registers.pc)) return registers.pc + 1;
  const StackArea stacks = reserve_stacks(0);
  uintptr_t word = registers.stack_pointer;
  if (word - stacks.begin >= stacks.bytes) return 0;
  const uintptr_t end = stack_end(reinterpret_cast<const void*>(word));
  for (; word < end; word += sizeof word)
    if (const uintptr_t value = *reinterpret_cast<const uintptr_t*>(word); is_code(value)) return value;
  return 0;
}

// Of processor time, so that a kernel is not stopped because the machine is busy with something else.
double seconds_used() {
  timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

void set_timer(double seconds) {
  const auto whole = static_cast<time_t>(seconds);
  const itimerval timer{{0, 0}, {whole, static_cast<suseconds_t>(1e6 * (seconds - static_cast<double>(whole)))}};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

// Restores the signal's previous disposition, which for nearly all programs ends them.
void pass_on(int signal) {
  ::signal(signal, SIG_DFL);
  raise(signal);
}

struct Fault {
  const char* kind;
  cudaError_t error;
  Assertion assertion;
  std::string message;
};

Fault describe(int signal, uintptr_t address, const Registers& registers) {
  if (signal == SIGFPE)
    return {"division-by-zero", cudaErrorLaunchFailure, Assertion::runs,
            "an integer is divided by zero (or the smallest one by -1): a GPU goes on with an undefined value"};
  // The guard page lies below the stack, and compilers probe large frames in steps of at most a page.
  const StackArea stacks = reserve_stacks(0);
  if (address - stacks.begin < stacks.bytes && address < registers.stack_pointer + 4096)
    return {
        "stack-overflow", cudaErrorLaunchFailure, Assertion::runs,
        "the thread needs more than the 512 KiB of local memory that it may have: a recursion that does not end, or "
        "local arrays that are too large"};
  return {"illegal-address", cudaErrorIllegalAddress, Assertion::memory,
          format("an access to 0x%zx, where no memory is", static_cast<size_t>(address))};
}

// Host code that runs without checks, such as a function of the C library, has accessed memory out of its reach.
// Reports the nearest place in the launcher; the access is then repeated.
void report_host_access(uintptr_t address, const Registers& registers) {
  uintptr_t pc = is_code(registers.pc) ? registers.pc + 1 : 0;
  constexpr int depth = 512;
  const auto* word = reinterpret_cast<const uintptr_t*>(registers.stack_pointer);
  for (int i = 0; pc == 0 && i < depth; ++i)
    if (is_code(word[i])) pc = word[i];
  const Variable* variable = device_variable_at(address);
  report(Assertion::runs, "host-access", pc,
         format("host code accesses %s, which the host has no access to; use cudaMemcpy, or a kernel",
                variable != nullptr
                    ? ("the __device__ variable '" + readable_variable(variable->name.c_str()) + "'").c_str()
                    : "device memory"));
  put_out_of_reach(false);
}

void on_fault(int signal, siginfo_t* info, void* context) {
  const auto accessed = reinterpret_cast<uintptr_t>(info->si_addr);
  if (!in_kernel && signal == SIGSEGV && is_out_of_reach(accessed))
    return report_host_access(accessed, registers_of(context));
  if (!in_kernel) return pass_on(signal);
  const Registers registers = registers_of(context);
  const Fault fault = describe(signal, reinterpret_cast<uintptr_t>(info->si_addr), registers);
  abort_launch(fault.error, fault.assertion, fault.kind, place_in_kernel(registers), fault.message + "," + where());
}

// A kernel can be left only while its own code runs: the runtime or a library may hold an inconsistent state.
void on_timer(int signal, siginfo_t*, void* context) {
  if (wanted == Stop::none) {
    if (limit_seconds == 0) return pass_on(signal);
    if (const double left = deadline - seconds_used(); left > 0) return set_timer(std::max(left, 0.001));
    wanted = Stop::time;
  }
  const Registers registers = registers_of(context);
  if (!in_kernel) {
    forward_to_kernel(signal);
    return;
  }
  if (!is_code(registers.pc)) return set_timer(0.001);
  const Stop why = wanted;
  wanted = Stop::none;
  const uintptr_t pc = registers.pc + 1;
  if (why == Stop::time)
    abort_launch(
        cudaErrorLaunchTimeout, Assertion::runs, "timeout", pc,
        format("still running after %.3g s of processor time, when it was stopped here: the kernel hangs or is too "
               "slow,%s",
               limit_seconds, where().c_str()));
  report(Assertion::runs, "interrupted", pc, "still running when it was interrupted," + where());
  pass_on(SIGINT);
}

void on_interrupt(int signal, siginfo_t*, void*) {
  if (!kernel_runs_anywhere() || wanted == Stop::interrupt) return pass_on(signal);
  wanted = Stop::interrupt;
  set_timer(0.001);
}

void handle(int signal, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  // A handler that ends a launch does not return, so the signal is unblocked here.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigaction(signal, &action, nullptr);
}

bool is_default(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

}  // namespace

namespace {

// For this host thread: a thread of a kernel whose stack has overflowed has no room for a handler.
class SignalStack {
 public:
  SignalStack() {
    const stack_t stack{memory.get(), 0, bytes};
    sigaltstack(&stack, nullptr);
  }
  ~SignalStack() {
    const stack_t none{nullptr, SS_DISABLE, 0};
    sigaltstack(&none, nullptr);
  }

 private:
  static constexpr size_t bytes = 64 << 10;
  const std::unique_ptr<char[]> memory{new char[bytes]};
};

void install_handlers() {
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE})
    if (is_default(signal)) handle(signal, on_fault);
  // In a program started with `pytest-upskill run`, report where it hung.
  if (std::getenv("UPSKILL_REPORT_FILE") == nullptr || !is_default(SIGINT) || !is_default(SIGALRM)) return;
  handle(SIGINT, on_interrupt);
  handle(SIGALRM, on_timer);
}

}  // namespace

void watch_faults() {
  static const bool installed = (install_handlers(), true);
  (void)installed;
  static thread_local const SignalStack stack;
}

void watch_signals() {
  watch_faults();
  if (limit_seconds != 0) set_timer(std::max(deadline - seconds_used(), 0.001));
}

void end_watch() {
  if (limit_seconds != 0) set_timer(0);
}

}  // namespace upskill::cpu

using namespace upskill::cpu;

extern "C" void upskill_limit_time(double seconds) {
  if (seconds > 0) handle(SIGALRM, on_timer);
  wanted = Stop::none;
  limit_seconds = seconds;
  deadline = seconds_used() + seconds;
}
