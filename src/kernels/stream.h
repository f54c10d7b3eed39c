// Results that no cache holds go around it. A plain store first reads the line of the cache that
// it writes to; of a gradient that is as much as is written. So a result is made elsewhere, some
// lines at a time, and those then go out as a whole.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>

#include "tiles.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ndpool {
namespace {

constexpr int64_t kLineOfCache = 64;  // bytes

#if defined(__x86_64__)
constexpr bool kStreams = true;

inline void put_lines_out(char* to, const char* from, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += kLineOfCache) {
#if defined(NDPOOL_AVX512)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), _mm512_load_si512(from + i));
#else
    for (int64_t at = i; at < i + kLineOfCache; at += 16) {
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + at),
                       _mm_load_si128(reinterpret_cast<const __m128i*>(from + at)));
    }
#endif
  }
}
inline void wait_until_out() { _mm_sfence(); }
#else
constexpr bool kStreams = false;
inline void put_lines_out(char*, const char*, int64_t) {}
inline void wait_until_out() {}
#endif

// Part of a result: runs of cells, most of which follow each other.
class Stream {
 public:
  explicit Stream(bool past_cache)
      : made_at_(kStreams && past_cache
                     ? std::aligned_alloc(kLineOfCache, kEnough + kMost + 4 * kLineOfCache)
                     : nullptr) {}
  ~Stream() {
    if (!made_at_) return;
    put_out();
    wait_until_out();
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Where to make the run of `count` cells whose place is `to`: there, if nothing is gained.
  // All of it has to be written before the next call, and two vectors more may be.
  template <class S>
  inline S* at(S* to, int64_t count) {
    if (!made_at_) return to;
    const int64_t bytes = count * static_cast<int64_t>(sizeof(S));
    char* made = begin_ + made_;
    if (reinterpret_cast<char*>(to) != to_ + made_ || made_ >= kEnough || bytes > kMost) {
      made = place(reinterpret_cast<char*>(to), bytes);
    }
    made_ += bytes;
    return reinterpret_cast<S*>(made);
  }

 private:
  // Bytes: a run at most; and those that are enough to go out.
  static constexpr int64_t kMost = 32 << 10, kEnough = 4 << 10;

  // Where a run goes that does not go on with those made so far.
  __attribute__((noinline)) char* place(char* to, int64_t bytes) {
    put_out();
    to_ = to;
    begin_ = static_cast<char*>(made_at_.get()) + address(to_) % kLineOfCache;
    if (bytes <= kMost) return begin_;
    to_ = nullptr, made_ = -bytes;  // nothing is to go out
    return to;
  }

  __attribute__((noinline)) void put_out() {
    if (made_ == 0) return;
    const int64_t begin = address(to_) % kLineOfCache;
    const int64_t before = begin ? least(made_, kLineOfCache - begin) : 0;
    const int64_t lines = (made_ - before) / kLineOfCache * kLineOfCache;
    const char* from = begin_;
    copy(0, before);
    put_lines_out(to_ + before, from + before, lines);
    copy(before + lines, made_);
    made_ = 0;
  }

  void copy(int64_t begin, int64_t end) const {
    std::memcpy(to_ + begin, begin_ + begin, static_cast<size_t>(end - begin));
  }

  struct Free {
    void operator()(void* start) const { std::free(start); }
  };
  const std::unique_ptr<void, Free> made_at_;  // null: everything is made where it belongs
  char* to_ = nullptr;
  char* begin_ = nullptr;  // where they are made: lines here are lines there
  int64_t made_ = 0;       // bytes from there on
};

}  // namespace
}  // namespace ndpool
