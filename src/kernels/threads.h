// Who works on a call: this thread, and helpers, who sleep when no call follows soon.
#pragma once

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
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

// To sleep and to be woken can take longer than what is waited for: the end of a last item, or the
// next call. So those who wait look for it themselves at first, and let other threads have the
// processor meanwhile. But where one of these spins, it keeps the processor for milliseconds; then
// for some time there is no looking, or none that lets it go.
class Patience {
 public:
  // False if it was not met. `insists`: on the processor, where there is no other way.
  template <class Met>
  bool met_soon(const Met& met, bool insists) {
    auto now = Clock::now();
    const auto end = now + kPatience;
    while (!met()) {
      const bool crowded = now < crowded_until_;
      if (now > end || (crowded && !insists)) return false;
      if (!crowded) std::this_thread::yield();
      const auto before = std::exchange(now, Clock::now());
      if (now - before > kLost) crowded_until_ = now + kCrowded;
    }
    return true;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::microseconds kPatience{50}, kLost{500}, kCrowded{100'000};
  Clock::time_point crowded_until_{};
};

// The items of one call, in shares. Each thread has a part of its own: in call after call it gets
// the same cells, which are still in its core's cache, and not in another's. Who is ready with it
// takes of the others' parts.
class Shares {
 public:
  Shares(int64_t items, int64_t share, int64_t threads)
      : share_(share), threads_(threads), parts_(new Part[threads]) {
    const int64_t shares = (items - 1) / share + 1;
    for (int64_t t = 0; t < threads; ++t) {
      parts_[t].next = shares * t / threads * share;
      parts_[t].end = std::min(items, shares * (t + 1) / threads * share);
    }
  }

  // Calls work(begin, end) for each share that this thread gets.
  template <class Work>
  void take(int64_t thread, const Work& work) {
    for (int64_t i = 0; i < threads_; ++i) {
      Part& part = parts_[(thread + i) % threads_];
      for (int64_t begin; (begin = part.next.fetch_add(share_)) < part.end;) {
        work(begin, std::min(begin + share_, part.end));
      }
    }
  }

 private:
  struct alignas(64) Part {  // in a line of the cache for itself
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  const int64_t share_, threads_;
  const std::unique_ptr<Part[]> parts_;
};

// Those who work on one call. A helper that gets its first processor time when all is done is not
// waited for: other libraries' threads may spin on that processor for milliseconds. It finds the
// door closed and touches nothing of the call.
class Crew {
 public:
  explicit Crew(std::function<void(int64_t)> take) : take_(std::move(take)) {}

  void help(int64_t number) {
    int inside = inside_;
    do {
      if (inside & kClosed) return;
    } while (!inside_.compare_exchange_weak(inside, inside + 1));
    take_(number);
    if (--inside_ == kClosed) inside_.notify_one();
  }
  void close() {
    static thread_local Patience patience;
    inside_ |= kClosed;
    if (patience.met_soon([this] { return inside_ == kClosed; }, true)) return;
    for (int inside = inside_; inside != kClosed; inside = inside_) inside_.wait(inside);
  }

 private:
  static constexpr int kClosed = 1 << 30;

  const std::function<void(int64_t)> take_;
  std::atomic<int> inside_{0};  // helpers, and whether the door is closed
};

// Threads that sleep until there is a call to help with. A woken thread starts in a tenth of the
// time of a new one, and gets its turn before threads that spin, if Linux lets it. It is never
// destroyed: at exit they sleep on. After a fork the child has none of them, so it begins with a
// new one.
class Helpers {
 public:
  static Helpers& get() { return *current_; }

  void call(const std::shared_ptr<Crew>& crew, int64_t helpers) {
    {
      const std::lock_guard<std::mutex> guard(lock_);
      try {
        while (count() < helpers) seat_one();
      } catch (const std::system_error&) {
        // no more threads to be had: those there are do the work
      }
      send_away();
      for (int64_t number = 1; number <= std::min(helpers, count()); ++number) {
        waiting_.emplace_back(crew, number);
      }
      any_waiting_ = !waiting_.empty();
    }
    for (int64_t i = 0; i < helpers; ++i) wake_.notify_one();
  }

 private:
  struct Helper {
    std::thread::native_handle_type thread{};
    int processor = -1;  // where it was last seen; -1: not yet
  };

  int64_t count() const { return static_cast<int64_t>(helpers_.size()); }

  void seat_one() {
    Helper& helper = helpers_.emplace_back();
    try {
      std::thread thread([this, &helper] { serve(helper); });
      helper.thread = thread.native_handle();
      thread.detach();
    } catch (const std::system_error&) {
      helpers_.pop_back();
      throw;
    }
  }

  // Linux wakes a thread on the processor that it last ran on, even if the one who wakes it runs
  // there, and looks for a free one only among those that share a cache. Behind its caller a helper
  // waits for milliseconds; so it is sent to the others that the caller may use.
  void send_away() {
#if defined(__linux__)
    const int here = sched_getcpu();
    for (Helper& helper : helpers_) {
      if (helper.processor != here) continue;
      cpu_set_t others;
      if (here < 0 || sched_getaffinity(0, sizeof others, &others) != 0) return;
      CPU_CLR(here, &others);
      if (CPU_COUNT(&others) == 0) return;
      pthread_setaffinity_np(helper.thread, sizeof others, &others);
      helper.processor = -1;
    }
#endif
  }

  // Ask for short turns. Linux (from 6.12 on) lets a woken thread go at once before one whose turns
  // are longer: PyTorch's spin for milliseconds after each of its calls, and so long ours waited.
  static void ask_for_short_turns() {
#if defined(__linux__) && defined(SYS_sched_setattr)
    struct {
      uint32_t size, policy;
      uint64_t flags;
      int32_t nice;
      uint32_t priority;
      uint64_t runtime, deadline, period;  // nanoseconds
    } turns{};
    const bool found = syscall(SYS_sched_getattr, 0, &turns, sizeof turns, 0) == 0;
    if (!found || turns.policy != SCHED_OTHER) return;
    turns.runtime = 100'000;
    syscall(SYS_sched_setattr, 0, &turns, 0);  // if not, they stay as they are
#endif
  }

  [[noreturn]] void serve(Helper& helper) {
    ask_for_short_turns();
    Patience patience;
    for (;;) {
      patience.met_soon([this] { return any_waiting_.load(); }, false);
      std::unique_lock<std::mutex> guard(lock_);
      wake_.wait(guard, [this] { return !waiting_.empty(); });
#if defined(__linux__)
      helper.processor = sched_getcpu();
#endif
      const auto [crew, number] = std::move(waiting_.front());
      waiting_.pop_front();
      any_waiting_ = !waiting_.empty();
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
  std::atomic<bool> any_waiting_{false};
  std::deque<Helper> helpers_;
};
Helpers* Helpers::current_ = Helpers::start();

}  // namespace
}  // namespace ndpool
