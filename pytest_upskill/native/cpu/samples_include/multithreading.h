// The threads of NVIDIA's CUDA samples, for programs that have left their Common folder behind.
#pragma once
#include <pthread.h>

typedef pthread_t CUTThread;
typedef void* (*CUT_THREADROUTINE)(void*);
#define CUT_THREADPROC void*
#define CUT_THREADEND return 0

// Counts down to the end of the last thread.
struct CUTBarrier {
  pthread_mutex_t mutex;
  pthread_cond_t conditionVariable;
  int releaseCount, count;
};

inline CUTThread cutStartThread(CUT_THREADROUTINE function, void* data) {
  pthread_t thread;
  pthread_create(&thread, nullptr, function, data);
  return thread;
}
inline void cutEndThread(CUTThread thread) { pthread_join(thread, nullptr); }
inline void cutWaitForThreads(const CUTThread* threads, int count) {
  for (int i = 0; i < count; ++i) cutEndThread(threads[i]);
}
inline CUTBarrier cutCreateBarrier(int count) {
  return {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, count, 0};
}
inline void cutIncrementBarrier(CUTBarrier* barrier) {
  pthread_mutex_lock(&barrier->mutex);
  if (++barrier->count >= barrier->releaseCount) pthread_cond_signal(&barrier->conditionVariable);
  pthread_mutex_unlock(&barrier->mutex);
}
inline void cutWaitForBarrier(CUTBarrier* barrier) {
  pthread_mutex_lock(&barrier->mutex);
  while (barrier->count < barrier->releaseCount) pthread_cond_wait(&barrier->conditionVariable, &barrier->mutex);
  pthread_mutex_unlock(&barrier->mutex);
}
inline void cutDestroyBarrier(CUTBarrier* barrier) {
  pthread_mutex_destroy(&barrier->mutex);
  pthread_cond_destroy(&barrier->conditionVariable);
}
