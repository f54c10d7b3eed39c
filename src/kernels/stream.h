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

// Whether rows of so many bytes, the first of which begins there, are whole lines of the cache.
// Then they can go around it from where they are computed: as vectors, which fill each line in
// turn.
inline bool whole_lines(const void* start, int64_t bytes) {
  return kStreams && (address(start) | bytes) % kLineOfCache == 0;
}

#if defined(NDPOOL_AVX512)
inline void store_around(void* to, __m512i v) { _mm512_stream_si512(static_cast<__m512i*>(to), v); }
#endif
#if defined(__AVX2__)
inline void store_around(void* to, __m256i v) { _mm256_stream_si256(static_cast<__m256i*>(to), v); }
inline void store_around(void* to, __m128i v) { _mm_stream_si128(static_cast<__m128i*>(to), v); }
#endif

// put_cells and put_sums around the cache, of whole vectors in rows that are whole lines.
#if defined(__AVX2__)
template <class T>
inline void put_around(void* to, Vec<T> v) {
#if defined(NDPOOL_AVX512)
  store_around(to, (__m512i)v);
#else
  store_around(to, (__m256i)v);
#endif
}
template <class S, class T>
inline void put_cells_around(S* to, Vec<T> values) {
  static_assert(std::is_same_v<S, T> || std::is_same_v<T, int16_t>);
  if constexpr (std::is_same_v<S, T>) {
    put_around<T>(to, values);
  } else {
    put_around<T>(to, in_order(values));
  }
}
#endif
template <class S, class T>
inline void put_sums_around(S* to, Vec<T> sums) {
#if defined(__AVX2__)
  if constexpr (std::is_same_v<S, T>) {
    put_around<T>(to, sums);
  } else {
    store_around(to, narrowed_sums<S>(sums));
  }
#else
  put_sums<S, T>(to, sums);
#endif
}

// Part of a result: runs of cells, most of which follow each other. What is made goes out a little
// later and little by little, so that memory has something to do while the next is computed.
class Stream {
 public:
  explicit Stream(bool past_cache)
      : made_at_(kStreams && past_cache
                     ? std::aligned_alloc(kLineOfCache, kRoom + kMost + 4 * kLineOfCache)
                     : nullptr) {}
  ~Stream() { finish(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Whether anything is made elsewhere.
  explicit operator bool() const { return made_at_ != nullptr; }

  // Where to make the run of `count` cells whose place is `to`: there, if nothing is gained.
  // All of it has to be written before the next call, and two vectors more may be.
  template <class S>
  __attribute__((always_inline)) inline S* at(S* to, int64_t count) {
    if (!made_at_) return to;
    char* bytes = reinterpret_cast<char*>(to);
    return reinterpret_cast<S*>(make_at(bytes, count * static_cast<int64_t>(sizeof(S))));
  }

  // All that was made goes out, before anything that is written from now on.
  void finish() {
    if (!made_at_) return;
    put_all_out();
    wait_until_out();
  }

 private:
  // Bytes: a run at most; what is made before it begins anew; and how much of it waits to go out,
  // so that it has reached the cache, and how much goes at once.
  static constexpr int64_t kMost = 32 << 10, kRoom = 8 << 10, kLag = 2 << 10, kAtOnce = 256;

  inline char* make_at(char* to, int64_t bytes) {
    if (bytes > kMost) {
      put_all_out();
      return to;
    }
    if (to != to_ + made_) {
      place(to);
    } else {
      if (made_ - out_ >= kLag + kAtOnce) put_out(made_ - kLag);
      if (made_ >= kRoom) begin_anew();
    }
    char* made = begin_ + made_;
    made_ += bytes;
    return made;
  }

  // A run that does not go on with those made so far.
  __attribute__((noinline)) void place(char* to) {
    put_all_out();
    to_ = to;
    begin_ = static_cast<char*>(made_at_.get()) + address(to_) % kLineOfCache;
  }

  // What waits to go out moves to the beginning. It begins a line: none is put out by halves.
  __attribute__((noinline)) void begin_anew() {
    char* begin = static_cast<char*>(made_at_.get());
    std::memmove(begin, begin_ + out_, static_cast<size_t>(made_ - out_));
    begin_ = begin;
    to_ += out_;
    made_ -= out_;
    out_ = 0;
  }

  // As many lines as end before `until`; and what is before the first of them.
  __attribute__((noinline)) void put_out(int64_t until) {
    if (out_ == 0) {
      const int64_t begin = address(to_) % kLineOfCache;
      out_ = begin ? least(until, kLineOfCache - begin) : 0;
      copy(0, out_);
    }
    const int64_t lines = (until - out_) / kLineOfCache * kLineOfCache;
    put_lines_out(to_ + out_, begin_ + out_, lines);
    out_ += lines;
  }

  // And nothing is made then.
  __attribute__((noinline)) void put_all_out() {
    if (made_ == 0) return;
    put_out(made_);
    copy(out_, made_);
    to_ = nullptr;
    made_ = out_ = 0;
  }

  void copy(int64_t begin, int64_t end) const {
    std::memcpy(to_ + begin, begin_ + begin, static_cast<size_t>(end - begin));
  }

  struct Free {
    void operator()(void* start) const { std::free(start); }
  };
  const std::unique_ptr<void, Free> made_at_;  // null: everything is made where it belongs
  char* to_ = nullptr;
  char* begin_ = nullptr;       // where they are made: lines here are lines there
  int64_t made_ = 0, out_ = 0;  // bytes from there on, and those of them that went out
};

}  // namespace
}  // namespace ndpool
