// Sums of vectors in the order that all engines keep: see `sum_pool.cc`.
#pragma once

#include <limits>

#include "simd.h"
#include "sum_plan.h"

namespace ndpool {
namespace {

constexpr int kMany = 9;  // taps, and more

constexpr int last_part(int taps) {  // the largest power of two below
  int h = 1;
  while (2 * h < taps) h *= 2;
  return h;
}

// The sum of kTaps vectors, of those that stand at offset[0], offset[1], ...
template <int kTaps, class T>
inline Vec<T> tree(const T* from, const int64_t* offset) {
  if constexpr (kTaps == 0) {
    return Vec<T>{};
  } else if constexpr (kTaps == 1) {
    return load(from + offset[0]);
  } else {
    constexpr int h = last_part(kTaps);
    return tree<kTaps - h, T>(from, offset) + tree<h, T>(from, offset + kTaps - h);
  }
}

template <class T>
inline Vec<T> small_tree(const T* from, const int64_t* offset, int64_t taps) {
  switch (taps) {
    case 1: return tree<1, T>(from, offset);
    case 2: return tree<2, T>(from, offset);
    case 3: return tree<3, T>(from, offset);
    case 4: return tree<4, T>(from, offset);
    case 5: return tree<5, T>(from, offset);
    case 6: return tree<6, T>(from, offset);
    default: return tree<7, T>(from, offset);
  }
}

// The same for any number of taps, in `kUnroll` vectors side by side: sums of 8 wait for their
// neighbours like the digits of a binary counter.
template <int kUnroll, class T>
inline void many(const T* from, const int64_t* offset, int64_t taps, Vec<T>* sum) {
  constexpr int L = kLanes<T>;
  int64_t done = taps % 8;
  for (int u = 0; u < kUnroll && done; ++u) sum[u] = small_tree(from + u * L, offset, done);
  Vec<T> waiting[16][kUnroll];
  for (int64_t width = 8; done < taps; width *= 2) {
    if (!(taps & width)) continue;
    int top = 0;
    for (int64_t block = 1; block <= width / 8; ++block) {
      const int64_t* at = offset + done + (block - 1) * 8;
      for (int u = 0; u < kUnroll; ++u) waiting[top][u] = tree<8, T>(from + u * L, at);
      ++top;
      for (int64_t carry = block; carry % 2 == 0; carry /= 2, --top) {
        for (int u = 0; u < kUnroll; ++u) waiting[top - 2][u] += waiting[top - 1][u];
      }
    }
    for (int u = 0; u < kUnroll; ++u) sum[u] = done ? sum[u] + waiting[0][u] : waiting[0][u];
    done += width;
  }
}

template <class T>
inline void store_some(T* to, Vec<T> v, int64_t count) {
#if defined(NDPOOL_AVX512)
  const auto bits = (__m512i)v;
  if constexpr (sizeof(T) == 4) {
    _mm512_mask_storeu_epi32(to, static_cast<__mmask16>((1u << count) - 1), bits);
  } else if constexpr (sizeof(T) == 8) {
    _mm512_mask_storeu_epi64(to, static_cast<__mmask8>((1u << count) - 1), bits);
  } else if constexpr (sizeof(T) == 2) {
    _mm512_mask_storeu_epi16(to, static_cast<__mmask32>((uint64_t{1} << count) - 1), bits);
  } else {
    _mm512_mask_storeu_epi8(to, (uint64_t{1} << count) - 1, bits);
  }
#else
  for (int64_t i = 0; i < count; ++i) to[i] = v[i];
#endif
}

// Quotients by one number, each rounded as by a division, in a fifth of its time: Markstein,
// "Computation of elementary functions on the IBM RISC System/6000 processor", 1990. A quotient
// that is off by less than its last bit is put right by the exact remainder times the inverse.
#if defined(NDPOOL_AVX512)
inline Vec<float> minus_product(Vec<float> a, Vec<float> b,
                                Vec<float> c) {  // c - a * b, rounded once
  return _mm512_fnmadd_ps(a, b, c);
}
inline Vec<double> minus_product(Vec<double> a, Vec<double> b, Vec<double> c) {
  return _mm512_fnmadd_pd(a, b, c);
}
template <class T, bool = std::is_floating_point_v<T>>
class Quotient {
 public:
  explicit Quotient(T by) : by_(by), inverse_(T{1} / by), fits_(by >= T{1} && by <= T{1 << 20}) {
    const Vec<T> b = broadcast(by), left = minus_product(b, broadcast(inverse_), broadcast(T{1}));
    rest_ = left[0] / by;
  }
  inline Vec<T> operator()(Vec<T> a) const {
    // within these bounds no step overflows or is rounded twice; zeros are right, too
    const Vec<T> size = (Vec<T>)((Vec<Winner<T>>)a & ~(Vec<Winner<T>>)broadcast(-T{0}));
    constexpr T low = sizeof(T) == 4 ? T{0x1p-100} : static_cast<T>(0x1p-900);
    const auto outside = ((size < broadcast(low)) & (size != Vec<T>{})) |
                         ~(size <= broadcast(std::numeric_limits<T>::max()));
    if (!fits_ || any(outside)) return a / broadcast(by_);
    const Vec<T> by = broadcast(by_), inverse = broadcast(inverse_);
    const Vec<T> near = minus_product(-a, inverse, a * broadcast(rest_));
    return minus_product(-minus_product(near, by, a), inverse, near);
  }

 private:
  template <class M>
  static bool any(M mask) {
    return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
  }
  T by_, inverse_, rest_;
  bool fits_;
};
template <class T>
class Quotient<T, false> {
 public:
  explicit Quotient(T) {}
};
#else
template <class T>
class Quotient {
 public:
  explicit Quotient(T by) : by_(by) {}
  inline Vec<T> operator()(Vec<T> a) const { return a / broadcast(by_); }

 private:
  T by_;
};
#endif

// What becomes of a sum before it is stored in the result. A sum begins with zero: no -0.0 is left.
template <class T>
struct Finish {
  enum { kNothing, kTimes, kOver, kOverTable } how = kNothing;
  T by{};
  const T* table = nullptr;
  Quotient<T> over{T{1}};

  inline Vec<T> operator()(Vec<T> sum, int64_t at) const {
    if constexpr (std::is_integral_v<T>) {
      return sum;
    } else {
      sum = sum + Vec<T>{};
      switch (how) {
        case kTimes: return sum * broadcast(by);
        case kOver: return over(sum);
        case kOverTable: return sum / load(table + at);
        default: return sum;
      }
    }
  }
};

// What all sums are divided by, if by one number.
template <class T>
Finish<T> divisor(const SumWork& work) {
  Finish<T> finish;
  if (work.by == 0 || work.divisors) return finish;
  // the inverse of a power of two is exact, and its product is the quotient
  uint64_t bits;
  std::memcpy(&bits, &work.by, sizeof bits);
  const bool power = bits << 12 == 0;
  finish.how = power ? Finish<T>::kTimes : Finish<T>::kOver;
  finish.by = static_cast<T>(power ? 1 / work.by : work.by);
  finish.over = Quotient<T>(static_cast<T>(work.by));
  return finish;
}

// Call `run` with the number of taps as a constant, kMany for more than 8.
template <class Run>
void with_taps(int64_t taps, Run run) {
  switch (taps) {
    case 0: return run(std::integral_constant<int, 0>{});
    case 1: return run(std::integral_constant<int, 1>{});
    case 2: return run(std::integral_constant<int, 2>{});
    case 3: return run(std::integral_constant<int, 3>{});
    case 4: return run(std::integral_constant<int, 4>{});
    case 5: return run(std::integral_constant<int, 5>{});
    case 6: return run(std::integral_constant<int, 6>{});
    case 7: return run(std::integral_constant<int, 7>{});
    case 8: return run(std::integral_constant<int, 8>{});
    default: return run(std::integral_constant<int, kMany>{});
  }
}

}  // namespace
}  // namespace ndpool
