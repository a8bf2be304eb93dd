// The stop watch of NVIDIA's CUDA samples, for programs that have left their Common folder behind. Times are in ms.
#pragma once
#include <chrono>

class StopWatchInterface {
 public:
  void start() {
    started_ = clock::now();
    running_ = true;
  }
  void stop() {
    total_ += since_start();
    ++sessions_;
    running_ = false;
  }
  void reset() {
    total_ = 0;
    sessions_ = 0;
    started_ = clock::now();
  }
  float getTime() const { return static_cast<float>(total_ + (running_ ? since_start() : 0)); }
  float getAverageTime() const { return sessions_ > 0 ? static_cast<float>(total_ / sessions_) : 0.0f; }

 private:
  using clock = std::chrono::steady_clock;
  double since_start() const { return std::chrono::duration<double, std::milli>(clock::now() - started_).count(); }

  clock::time_point started_;
  double total_ = 0;
  int sessions_ = 0;
  bool running_ = false;
};

inline bool sdkCreateTimer(StopWatchInterface** timer) {
  *timer = new StopWatchInterface;
  return true;
}
inline bool sdkDeleteTimer(StopWatchInterface** timer) {
  delete *timer;
  *timer = nullptr;
  return true;
}
inline bool sdkStartTimer(StopWatchInterface** timer) {
  (*timer)->start();
  return true;
}
inline bool sdkStopTimer(StopWatchInterface** timer) {
  (*timer)->stop();
  return true;
}
inline bool sdkResetTimer(StopWatchInterface** timer) {
  (*timer)->reset();
  return true;
}
inline float sdkGetTimerValue(StopWatchInterface** timer) { return (*timer)->getTime(); }
inline float sdkGetAverageTimerValue(StopWatchInterface** timer) { return (*timer)->getAverageTime(); }
