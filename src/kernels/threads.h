// Who works on a call: this thread, and helpers that sleep between calls.
#pragma once

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace ndpool {
namespace {

// Those who work on one call. A helper that gets its first processor time when all is done is not
// waited for: other libraries' threads may spin on that processor for milliseconds. It finds the
// door closed and touches nothing of the call.
class Crew {
 public:
  explicit Crew(std::function<void(int64_t)> take) : take_(std::move(take)) {}

  void help(int64_t number) {
    if (!enter()) return;
    take_(number);
    const std::lock_guard<std::mutex> guard(lock_);
    if (--inside_ == 0) empty_.notify_one();
  }
  void close() {
    std::unique_lock<std::mutex> guard(lock_);
    closed_ = true;
    empty_.wait(guard, [this] { return inside_ == 0; });
  }

 private:
  bool enter() {
    const std::lock_guard<std::mutex> guard(lock_);
    if (!closed_) ++inside_;
    return !closed_;
  }

  const std::function<void(int64_t)> take_;
  std::mutex lock_;
  std::condition_variable empty_;
  int inside_ = 0;
  bool closed_ = false;
};

// Threads that sleep until there is a call to help with. A woken thread starts in a tenth of the
// time of a new one, and gets its turn before threads that spin. It is never destroyed: at exit
// they sleep on. After a fork the child has none of them, so it begins with a new one.
class Helpers {
 public:
  static Helpers& get() { return *current_; }

  void call(const std::shared_ptr<Crew>& crew, int64_t helpers) {
    {
      const std::lock_guard<std::mutex> guard(lock_);
      try {
        for (; threads_ < helpers; ++threads_) std::thread([this] { serve(); }).detach();
      } catch (const std::system_error&) {
        // no more threads to be had: those there are do the work
      }
      for (int64_t number = 1; number <= std::min(helpers, threads_); ++number) {
        waiting_.emplace_back(crew, number);
      }
    }
    for (int64_t i = 0; i < helpers; ++i) wake_.notify_one();
  }

 private:
  [[noreturn]] void serve() {
    for (;;) {
      std::unique_lock<std::mutex> guard(lock_);
      wake_.wait(guard, [this] { return !waiting_.empty(); });
      const auto [crew, number] = std::move(waiting_.front());
      waiting_.pop_front();
      guard.unlock();
      crew->help(number);
    }
  }

  static Helpers* start() {
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(nullptr, nullptr, [] { current_ = new Helpers; });
#endif
    return new Helpers;
  }

  static Helpers* current_;
  std::mutex lock_;
  std::condition_variable wake_;
  std::deque<std::pair<std::shared_ptr<Crew>, int64_t>> waiting_;
  int64_t threads_ = 0;
};
Helpers* Helpers::current_ = Helpers::start();

}  // namespace
}  // namespace ndpool
