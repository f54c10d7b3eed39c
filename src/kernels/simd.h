// Vectors of the widest kind that the instruction set of this translation unit has.
//
// The compiler's own vector types do nearly everything: one spelling for all element types and
// instruction sets. Only what compilers do badly is written with intrinsics. This header is
// compiled once for each instruction set, so all of it has internal linkage, and none of it may
// instantiate a library template: the linker would keep one copy for all.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#if defined(__x86_64__)
#pragma GCC diagnostic push
#if !defined(__clang__)
// false alarms in GCC 12's own header
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace ndpool {
namespace {

#if defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define NDPOOL_AVX512 1
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

#if defined(NDPOOL_AVX512)
using Integers = __m512i;  // what intrinsics take for any
#elif defined(__AVX2__)
using Integers = __m256i;
#endif

template <class T>
struct Vector {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using Vec = typename Vector<T>::type;
template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

// On functions that call themselves for the next axis: copies of them for each depth gain nothing.
#if defined(__clang__)
#define NDPOOL_RECURSIVE __attribute__((noinline))
#else
#define NDPOOL_RECURSIVE __attribute__((noinline, noclone))
#endif

// The unsigned integer as wide as an element: winners travel in lanes of this type.
template <int bytes>
struct Unsigned;
template <>
struct Unsigned<1> {
  using type = uint8_t;
};
template <>
struct Unsigned<2> {
  using type = uint16_t;
};
template <>
struct Unsigned<4> {
  using type = uint32_t;
};
template <>
struct Unsigned<8> {
  using type = uint64_t;
};
template <class T>
using Winner = typename Unsigned<sizeof(T)>::type;

template <class T>
inline Vec<T> load(const T* from) {
  Vec<T> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <class T>
inline void store(T* to, Vec<T> v) {
  std::memcpy(to, &v, sizeof v);
}
// The same, loaded once: compilers load it again at each use, which is slow where vectors are not
// aligned.
template <class V>
inline V in_register(V v) {
#if defined(__x86_64__)
  __asm__("" : "+v"(v));
#endif
  return v;
}
template <class T>
inline Vec<T> broadcast(T value) {
  return value - Vec<T>{};  // minus zero keeps the sign of a -0.0
}

// Which lanes of `b` win over those of `a` that came before them: the greater ones, and a NaN
// over all but an earlier NaN.
template <class T>
inline auto beats(Vec<T> b, Vec<T> a) {
  return b > a;
}
// a where the mask is off, b where it is on.
template <class M, class V>
inline V pick(M mask, V b, V a) {
  return mask ? b : a;
}

// Which lanes of `b` are greater than those of `a`; for lanes without NaN.
template <class T>
inline auto above(Vec<T> b, Vec<T> a) {
  return b > a;
}
#if defined(NDPOOL_AVX512)
template <>
inline auto above<float>(Vec<float> b, Vec<float> a) {
  return _mm512_cmp_ps_mask(b, a, _CMP_GT_OQ);
}
template <>
inline auto above<double>(Vec<double> b, Vec<double> a) {
  return _mm512_cmp_pd_mask(b, a, _CMP_GT_OQ);
}
#endif

// The greater of each pair of lanes, and `a` where they are equal; for lanes without NaN.
template <class T>
inline Vec<T> greater(Vec<T> b, Vec<T> a) {
  return b > a ? b : a;
}
#if defined(NDPOOL_AVX512)
template <>
inline Vec<float> greater<float>(Vec<float> b, Vec<float> a) {
  return _mm512_max_ps(b, a);
}
template <>
inline Vec<double> greater<double>(Vec<double> b, Vec<double> a) {
  return _mm512_max_pd(b, a);
}
#elif defined(__AVX2__)
template <>
inline Vec<float> greater<float>(Vec<float> b, Vec<float> a) {
  return _mm256_max_ps(b, a);
}
template <>
inline Vec<double> greater<double>(Vec<double> b, Vec<double> a) {
  return _mm256_max_pd(b, a);
}
#elif defined(__x86_64__)
template <>
inline Vec<float> greater<float>(Vec<float> b, Vec<float> a) {
  return _mm_max_ps(b, a);
}
template <>
inline Vec<double> greater<double>(Vec<double> b, Vec<double> a) {
  return _mm_max_pd(b, a);
}
#endif

#if defined(NDPOOL_AVX512)
// GCC 12 turns "not less or equal, and ordered" into two vectors and back: masks are written out.
template <>
inline auto beats<float>(Vec<float> b, Vec<float> a) {
  const __mmask16 number = _mm512_cmp_ps_mask(a, a, _CMP_ORD_Q);
  return _mm512_mask_cmp_ps_mask(number, b, a, _CMP_NLE_UQ);
}
template <>
inline auto beats<double>(Vec<double> b, Vec<double> a) {
  const __mmask8 number = _mm512_cmp_pd_mask(a, a, _CMP_ORD_Q);
  return _mm512_mask_cmp_pd_mask(number, b, a, _CMP_NLE_UQ);
}
inline Vec<float> pick(__mmask16 mask, Vec<float> b, Vec<float> a) {
  return _mm512_mask_mov_ps(a, mask, b);
}
inline Vec<uint32_t> pick(__mmask16 mask, Vec<uint32_t> b, Vec<uint32_t> a) {
  return (Vec<uint32_t>)_mm512_mask_mov_epi32((__m512i)a, mask, (__m512i)b);
}
inline Vec<double> pick(__mmask8 mask, Vec<double> b, Vec<double> a) {
  return _mm512_mask_mov_pd(a, mask, b);
}
inline Vec<uint64_t> pick(__mmask8 mask, Vec<uint64_t> b, Vec<uint64_t> a) {
  return (Vec<uint64_t>)_mm512_mask_mov_epi64((__m512i)a, mask, (__m512i)b);
}
#else
template <>
inline auto beats<float>(Vec<float> b, Vec<float> a) {
  return ~(b <= a) & (a == a);
}
template <>
inline auto beats<double>(Vec<double> b, Vec<double> a) {
  return ~(b <= a) & (a == a);
}
#endif

template <int bytes>
struct ByteVector {
  typedef uint8_t type __attribute__((vector_size(bytes)));
};

#if defined(NDPOOL_AVX512)
// The bits of a mask from kFrom on. (GCC 12 takes them through general registers and back.)
template <class Mask, int kFrom>
inline Mask bits_from(__mmask64 mask) {
  if constexpr (std::is_same_v<Mask, __mmask64>) {
    return mask;
  } else {
    Mask bits;
    __asm__("kshiftrq %2, %1, %0" : "=k"(bits) : "k"(mask), "i"(kFrom));
    return bits;
  }
}
inline __m512 add_some(__mmask16 m, Vec<float> a, Vec<float> b) {
  return _mm512_mask_add_ps(a, m, a, b);
}
inline __m512d add_some(__mmask8 m, Vec<double> a, Vec<double> b) {
  return _mm512_mask_add_pd(a, m, a, b);
}
inline Vec<uint8_t> add_some(__mmask64 m, Vec<uint8_t> a, Vec<uint8_t> b) {
  return (Vec<uint8_t>)_mm512_mask_add_epi8((__m512i)a, m, (__m512i)a, (__m512i)b);
}
inline Vec<uint16_t> add_some(__mmask32 m, Vec<uint16_t> a, Vec<uint16_t> b) {
  return (Vec<uint16_t>)_mm512_mask_add_epi16((__m512i)a, m, (__m512i)a, (__m512i)b);
}
inline Vec<uint32_t> add_some(__mmask16 m, Vec<uint32_t> a, Vec<uint32_t> b) {
  return (Vec<uint32_t>)_mm512_mask_add_epi32((__m512i)a, m, (__m512i)a, (__m512i)b);
}
inline Vec<uint64_t> add_some(__mmask8 m, Vec<uint64_t> a, Vec<uint64_t> b) {
  return (Vec<uint64_t>)_mm512_mask_add_epi64((__m512i)a, m, (__m512i)a, (__m512i)b);
}
template <int kLanes>
struct MaskOf;
template <>
struct MaskOf<8> {
  using type = __mmask8;
};
template <>
struct MaskOf<16> {
  using type = __mmask16;
};
template <>
struct MaskOf<32> {
  using type = __mmask32;
};
template <>
struct MaskOf<64> {
  using type = __mmask64;
};
#endif

#if defined(__AVX2__) && !defined(NDPOOL_AVX512)
// Up to 32 bytes, of which no call of memcpy is worth it.
template <class T>
inline void copy_some(T* to, const T* from, int64_t count) {
  auto* target = reinterpret_cast<char*>(to);
  const auto* source = reinterpret_cast<const char*>(from);
  const auto bytes = static_cast<uint64_t>(count) * sizeof(T);
  const auto part = [&](auto size) {
    if (!(bytes & size())) return;
    std::memcpy(target, source, size());
    target += size();
    source += size();
  };
  part(std::integral_constant<size_t, 32>{});
  part(std::integral_constant<size_t, 16>{});
  part(std::integral_constant<size_t, 8>{});
  part(std::integral_constant<size_t, 4>{});
  part(std::integral_constant<size_t, 2>{});
  part(std::integral_constant<size_t, 1>{});
}

// The lanes, kLanes of them at most, from the first to the last whose bit is set; no other is read.
template <int kLanes, class T>
inline void copy_lanes(T* to, const T* from, uint64_t bits) {
  const auto few = static_cast<uint32_t>(bits << (32 - kLanes));  // the last lane's bit comes last
  if (few == 0) return;
  const int lo = __builtin_ctz(few) - (32 - kLanes), hi = kLanes - __builtin_clz(few);
  copy_some(to + lo, from + lo, hi - lo);
}

// Each lane all ones where its bit is set, else zero.
template <class T>
inline Vec<Winner<T>> lanes_of(uint64_t bits) {
  if constexpr (sizeof(T) == 8) {
    const __m256i each = _mm256_setr_epi64x(1, 2, 4, 8);
    const __m256i all = _mm256_set1_epi64x(static_cast<int64_t>(bits));
    return (Vec<Winner<T>>)_mm256_cmpeq_epi64(_mm256_and_si256(all, each), each);
  } else if constexpr (sizeof(T) == 4) {
    const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i all = _mm256_set1_epi32(static_cast<int>(bits));
    return (Vec<Winner<T>>)_mm256_cmpeq_epi32(_mm256_and_si256(all, each), each);
  } else if constexpr (sizeof(T) == 2) {
    const __m256i each = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096,
                                           8192, 16384, -32768);
    const __m256i all = _mm256_set1_epi16(static_cast<int16_t>(bits));
    return (Vec<Winner<T>>)_mm256_cmpeq_epi16(_mm256_and_si256(all, each), each);
  } else {
    const __m256i places =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i each = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
    const __m256i all = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), places);
    return (Vec<Winner<T>>)_mm256_cmpeq_epi8(_mm256_and_si256(all, each), each);
  }
}
#endif

// A vector's lanes of T, whose winners stand beside them in bytes, and one winner to look for.
template <class T>
class Lanes {
 public:
  static constexpr int kBytes = kLanes<T> < 16 ? 16 : kLanes<T>;
  using Bytes = typename ByteVector<kBytes>::type;

  Lanes() = default;
  explicit Lanes(int64_t winner) : wanted_(static_cast<uint8_t>(winner) - Bytes{}) {}

  // sum + values where winners[lane] is the one, sum elsewhere
  Vec<T> add_where_equal(const uint8_t* winners, const T* values, Vec<T> sum) const {
    return add_where_equal(bytes(winners), load(values), sum);
  }

  // Not through memory, where they would wait for the zeros behind them.
  static Bytes bytes(const uint8_t* winners) {
#if defined(__x86_64__)
    if constexpr (kLanes<T> == 8) {
      return (Bytes)_mm_loadl_epi64(reinterpret_cast<const __m128i*>(winners));
    } else if constexpr (kLanes<T> < 8) {
      int few = 0;
      std::memcpy(&few, winners, kLanes<T>);
      return (Bytes)_mm_cvtsi32_si128(few);
    }
#endif
    Bytes bytes{};
    std::memcpy(&bytes, winners, kLanes<T>);
    return bytes;
  }

#if defined(NDPOOL_AVX512)
  // Those of the lanes whose bits are set, zero in the others; nothing else is read.
  static Bytes bytes(const uint8_t* winners, uint64_t bits) {
    if constexpr (sizeof(T) == 1) {
      return (Bytes)_mm512_maskz_loadu_epi8(bits, winners);
    } else if constexpr (sizeof(T) == 2) {
      return (Bytes)_mm256_maskz_loadu_epi8(static_cast<__mmask32>(bits), winners);
    } else {
      const uint64_t of_lanes = bits & ((1 << kLanes<T>)-1);
      return (Bytes)_mm_maskz_loadu_epi8(static_cast<__mmask16>(of_lanes), winners);
    }
  }

  Vec<T> add_where_equal(Bytes bytes, Vec<T> values, Vec<T> sum) const {
    return (Vec<T>)add_some(won(bytes), sum, values);
  }
  // The same where the sum so far is zero.
  Vec<T> only_where_equal(Bytes bytes, Vec<T> values) const {
    if constexpr (std::is_same_v<T, float>) {
      return _mm512_maskz_add_ps(won(bytes), values, Vec<T>{});
    }
    return add_where_equal(bytes, values, Vec<T>{});
  }

 private:
  typename MaskOf<kLanes<T>>::type won(Bytes bytes) const {
    if constexpr (sizeof(T) == 1) {
      return _mm512_cmpeq_epi8_mask((__m512i)bytes, (__m512i)wanted_);
    } else if constexpr (sizeof(T) == 2) {
      return _mm256_cmpeq_epi8_mask((__m256i)bytes, (__m256i)wanted_);
    } else {
      const __mmask16 found = _mm_cmpeq_epi8_mask((__m128i)bytes, (__m128i)wanted_);
      return static_cast<typename MaskOf<kLanes<T>>::type>(found);
    }
  }
#else
  Vec<T> only_where_equal(Bytes bytes, Vec<T> values) const {
    return add_where_equal(bytes, values, Vec<T>{});
  }
#if defined(__AVX2__)
  // The same; nothing before the first and behind the last of them is read.
  __attribute__((noinline)) static Bytes bytes(const uint8_t* winners, uint64_t bits) {
    uint8_t some[32] = {};  // with room that the compiler asks for
    copy_lanes<kLanes<T>>(some, winners, bits);
    Bytes found;
    std::memcpy(&found, some, kBytes);
    return found;
  }
#endif
#if defined(__AVX2__)
  // All ones in the lanes whose bits are set, else zero.
  static Bytes among(uint64_t bits) {
    const Vec<uint8_t> all = lanes_of<uint8_t>(bits);
    Bytes first;
    std::memcpy(&first, &all, kBytes);
    return first;
  }
#endif
  Vec<T> add_where_equal(Bytes bytes, Vec<T> values, Vec<T> sum) const {
    const Vec<Winner<T>> won = widened((Bytes)(bytes == wanted_));
    return sum + (Vec<T>)((Vec<Winner<T>>)values & won);
  }

 private:
  static Vec<Winner<T>> widened(Bytes mask) {  // each byte, all ones or zero, to a lane of them
    if constexpr (sizeof(T) == 1) {
      return mask;
    } else {
#if defined(__AVX2__)
      if constexpr (sizeof(T) == 2) {
        return (Vec<Winner<T>>)_mm256_cvtepi8_epi16((__m128i)mask);
      } else if constexpr (sizeof(T) == 4) {
        return (Vec<Winner<T>>)_mm256_cvtepi8_epi32((__m128i)mask);
      } else {
        return (Vec<Winner<T>>)_mm256_cvtepi8_epi64((__m128i)mask);
      }
#elif defined(__x86_64__)
      __m128i wide = _mm_unpacklo_epi8((__m128i)mask, (__m128i)mask);
      if constexpr (sizeof(T) >= 4) wide = _mm_unpacklo_epi16(wide, wide);
      if constexpr (sizeof(T) == 8) wide = _mm_unpacklo_epi32(wide, wide);
      return (Vec<Winner<T>>)wide;
#else
      Vec<Winner<T>> wide;
      for (int lane = 0; lane < kLanes<T>; ++lane) wide[lane] = mask[lane] ? ~Winner<T>{0} : 0;
      return wide;
#endif
    }
  }
#endif

 private:
  Bytes wanted_;
};

// Bytes of winners, one for each lane of T.
template <class T>
inline Vec<Winner<T>> widen_winners(const uint8_t* from) {
  if constexpr (sizeof(T) == 1) {
    return load(from);
  } else {
#if defined(NDPOOL_AVX512)
    if constexpr (sizeof(T) == 2) {
      return (Vec<Winner<T>>)_mm512_cvtepu8_epi16(
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    } else if constexpr (sizeof(T) == 4) {
      return (Vec<Winner<T>>)_mm512_cvtepu8_epi32(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    } else {
      return (Vec<Winner<T>>)_mm512_cvtepu8_epi64(
          _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
    }
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 2) {
      return (Vec<Winner<T>>)_mm256_cvtepu8_epi16(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    } else if constexpr (sizeof(T) == 4) {
      return (Vec<Winner<T>>)_mm256_cvtepu8_epi32(
          _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
    } else {
      int few = 0;
      std::memcpy(&few, from, sizeof few);
      return (Vec<Winner<T>>)_mm256_cvtepu8_epi64(_mm_cvtsi32_si128(few));
    }
#else
    Vec<Winner<T>> wide;
    for (int lane = 0; lane < kLanes<T>; ++lane) wide[lane] = from[lane];
    return wide;
#endif
  }
}

#if defined(__AVX2__)
// The bytes of a table of 16 that the lowest four bits of each lane count; zero where the highest
// bit is set.
class ByteTable {
 public:
  explicit ByteTable(const uint8_t* bytes) {
    for (int i = 0; i < kVectorBytes; i += 16) {
      std::memcpy(reinterpret_cast<char*>(&table_) + i, bytes, 16);
    }
  }
  Vec<uint8_t> operator[](Vec<uint8_t> at) const {
#if defined(NDPOOL_AVX512)
    return (Vec<uint8_t>)_mm512_shuffle_epi8((__m512i)table_, (__m512i)at);
#else
    return (Vec<uint8_t>)_mm256_shuffle_epi8((__m256i)table_, (__m256i)at);
#endif
  }

 private:
  Vec<uint8_t> table_;
};
#endif

// Each lane of `bits` by as much as that of `by`; nothing is left from its width on.
inline Vec<uint32_t> shifted_right(Vec<uint32_t> bits, Vec<uint32_t> by) {
#if defined(NDPOOL_AVX512)
  return (Vec<uint32_t>)_mm512_srlv_epi32((__m512i)bits, (__m512i)by);
#elif defined(__AVX2__)
  return (Vec<uint32_t>)_mm256_srlv_epi32((__m256i)bits, (__m256i)by);
#else
  for (int lane = 0; lane < kLanes<uint32_t>; ++lane) {
    bits[lane] = by[lane] < 32 ? bits[lane] >> by[lane] : 0;
  }
  return bits;
#endif
}

// Lanes from kFrom on, each twice.
template <int kFrom, class V, int... kLane>
inline V twice(V v, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(v, v, (kFrom + kLane / 2)...);
}

#if defined(NDPOOL_AVX512)
inline __m512i widen_half(__m512i v, int half, uint8_t) {  // bytes to lanes of two
  const __m256i some = half ? _mm512_extracti64x4_epi64(v, 1) : _mm512_castsi512_si256(v);
  return _mm512_cvtepu8_epi16(some);
}
inline __m512i widen_half(__m512i v, int half, uint16_t) {
  const __m256i some = half ? _mm512_extracti64x4_epi64(v, 1) : _mm512_castsi512_si256(v);
  return _mm512_cvtepu16_epi32(some);
}
inline __m512i shifted_up(__m512i v, uint8_t) { return _mm512_slli_epi16(v, 8); }
inline __m512i shifted_up(__m512i v, uint16_t) { return _mm512_slli_epi32(v, 16); }
#define NDPOOL_TWICE(T)                                                 \
  template <int kFrom, int... kLane>                                    \
  inline Vec<T> twice(Vec<T> v, std::integer_sequence<int, kLane...>) { \
    const __m512i wide = widen_half((__m512i)v, kFrom > 0, T{});        \
    return (Vec<T>)_mm512_or_si512(wide, shifted_up(wide, T{}));        \
  }
NDPOOL_TWICE(uint8_t)
NDPOOL_TWICE(uint16_t)
#undef NDPOOL_TWICE
#endif

constexpr int kMostShifted = 16;  // bytes
// As many lanes from lane kBy of `first` on; behind its last one come those of `next`.
#if defined(NDPOOL_AVX512)
template <int kBy, class T>
inline Vec<T> shifted_lanes(Vec<T> first, Vec<T> next) {
  constexpr int kBytes = kBy * static_cast<int>(sizeof(T));
  const auto a = (__m512i)first, b = (__m512i)next;
  if constexpr (kBytes % 4 == 0) {
    return (Vec<T>)_mm512_alignr_epi32(b, a, kBytes / 4);
  } else {  // by parts of 128 bits
    return (Vec<T>)_mm512_alignr_epi8(_mm512_alignr_epi32(b, a, 4), a, kBytes);
  }
}
#elif defined(__AVX2__)
template <int kBy, class T>
inline Vec<T> shifted_lanes(Vec<T> first, Vec<T> next) {
  constexpr int kBytes = kBy * static_cast<int>(sizeof(T));
  static_assert(kBytes <= kMostShifted);
  const auto a = (__m256i)first;
  const __m256i middle = _mm256_permute2x128_si256(a, (__m256i)next, 0x21);
  if constexpr (kBytes == 16) return (Vec<T>)middle;
  return (Vec<T>)_mm256_alignr_epi8(middle, a, kBytes);
}
#else
template <int kBy, class T>
inline Vec<T> shifted_lanes(Vec<T> first, Vec<T> next) {
#if defined(__x86_64__)
  constexpr int kBytes = kBy * static_cast<int>(sizeof(T));
  return (Vec<T>)_mm_or_si128(_mm_srli_si128((__m128i)first, kBytes),
                              _mm_slli_si128((__m128i)next, 16 - kBytes));
#else
  T both[2 * kLanes<T>];
  store(both, first);
  store(both + kLanes<T>, next);
  return load(both + kBy);
#endif
}
#endif

// The lanes of the first half of a and b, or of the second, in turn.
template <class T, int kHalf, int... kLane>
inline Vec<T> interleaved_lanes(Vec<T> a, Vec<T> b, std::integer_sequence<int, kLane...>) {
  constexpr int L = kLanes<T>;
  return __builtin_shufflevector(a, b, (kLane % 2 * L + kHalf * L / 2 + kLane / 2)...);
}
// The same within each 16 bytes.
template <class T, int kHalf, int... kLane>
inline Vec<T> zipped_lanes(Vec<T> a, Vec<T> b, std::integer_sequence<int, kLane...>) {
  constexpr int L = kLanes<T>, kFew = 16 / static_cast<int>(sizeof(T));
  return __builtin_shufflevector(
      a, b, (kLane % 2 * L + kLane / kFew * kFew + kHalf * kFew / 2 + kLane % kFew / 2)...);
}
template <class T, int kHalf>
inline Vec<T> interleaved(Vec<T> a, Vec<T> b) {
#if defined(NDPOOL_AVX512)
  if constexpr (sizeof(T) <= 2) {  // by parts of 128 bits, which then are put in order
    const auto x = (__m512i)a, y = (__m512i)b;
    const __m512i low = sizeof(T) == 1 ? _mm512_unpacklo_epi8(x, y) : _mm512_unpacklo_epi16(x, y);
    const __m512i high = sizeof(T) == 1 ? _mm512_unpackhi_epi8(x, y) : _mm512_unpackhi_epi16(x, y);
    constexpr int k = kHalf * 4;
    const __m512i order = _mm512_setr_epi64(k, k + 1, k + 8, k + 9, k + 2, k + 3, k + 10, k + 11);
    return (Vec<T>)_mm512_permutex2var_epi64(low, order, high);
  }
#elif defined(__AVX2__)
  constexpr std::make_integer_sequence<int, kLanes<T>> lanes{};
  const auto low = (__m256i)zipped_lanes<T, 0>(a, b, lanes);
  const auto high = (__m256i)zipped_lanes<T, 1>(a, b, lanes);
  return (Vec<T>)_mm256_permute2x128_si256(low, high, kHalf ? 0x31 : 0x20);
#endif
  return interleaved_lanes<T, kHalf>(a, b, std::make_integer_sequence<int, kLanes<T>>{});
}

template <class T>
inline void zip(Vec<uint16_t>& a, Vec<uint16_t>& b) {
  constexpr std::make_integer_sequence<int, kLanes<T>> lanes;
  const auto x = (Vec<T>)a, y = (Vec<T>)b;
  a = (Vec<uint16_t>)zipped_lanes<T, 0>(x, y, lanes);
  b = (Vec<uint16_t>)zipped_lanes<T, 1>(x, y, lanes);
}

// Writes the first lanes of eight vectors, then the second, and so on.
inline void store_lane_by_lane(uint16_t* to, Vec<uint16_t> (&rows)[8]) {
  for (int u = 0; u < 8; u += 2) zip<uint16_t>(rows[u], rows[u + 1]);
  for (int u : {0, 1, 4, 5}) zip<uint32_t>(rows[u], rows[u + 2]);
  for (int u = 0; u < 4; ++u) zip<uint64_t>(rows[u], rows[u + 4]);
  constexpr int kOrder[] = {0, 4, 2, 6, 1, 5, 3, 7};
  constexpr int kParts = kVectorBytes / 16;
  for (int lane = 0; lane < 8; ++lane) {
    const auto& row = rows[kOrder[lane]];
    for (int part = 0; part < kParts; ++part) {
      std::memcpy(to + (part * 8 + lane) * 8, reinterpret_cast<const char*>(&row) + part * 16, 16);
    }
  }
}

// Of the lanes of a and b, one behind the other, those at kFrom, kFrom + 2, ...
template <int kFrom, class V, int... kLane>
inline V every_second(V a, V b, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(a, b, (kFrom + 2 * kLane)...);
}

#if defined(NDPOOL_AVX512)
// No permutation of two vectors has lanes of one byte, and that of two bytes is slow: so they are
// narrowed by parts of 128 bits, which then are put in order.
template <int kFrom, int kBytes>
inline __m512i every_second_of(__m512i a, __m512i b) {
  const auto half = [](__m512i v) {
    if constexpr (kFrom && kBytes == 1) return _mm512_srli_epi16(v, 8);
    if constexpr (kFrom && kBytes == 2) return _mm512_srli_epi32(v, 16);
    return _mm512_and_si512(v, kBytes == 1 ? _mm512_set1_epi16(0xff) : _mm512_set1_epi32(0xffff));
  };
  const __m512i parts =
      kBytes == 1 ? _mm512_packus_epi16(half(a), half(b)) : _mm512_packus_epi32(half(a), half(b));
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), parts);
}
#elif defined(__AVX2__)
template <int kFrom, int kBytes>
inline __m256i every_second_of(__m256i a, __m256i b) {
  constexpr int kInOrder = 0xd8;
  if constexpr (kBytes == 4) {
    const __m256 x = _mm256_castsi256_ps(a), y = _mm256_castsi256_ps(b);
    const __m256 parts = _mm256_shuffle_ps(x, y, kFrom ? 0xdd : 0x88);
    return _mm256_permute4x64_epi64(_mm256_castps_si256(parts), kInOrder);
  }
  if constexpr (kBytes == 8) {
    const __m256i parts = kFrom ? _mm256_unpackhi_epi64(a, b) : _mm256_unpacklo_epi64(a, b);
    return _mm256_permute4x64_epi64(parts, kInOrder);
  }
  const auto half = [](__m256i v) {
    if constexpr (kFrom && kBytes == 1) return _mm256_srli_epi16(v, 8);
    if constexpr (kFrom && kBytes == 2) return _mm256_srli_epi32(v, 16);
    return _mm256_and_si256(v, kBytes == 1 ? _mm256_set1_epi16(0xff) : _mm256_set1_epi32(0xffff));
  };
  const __m256i parts =
      kBytes == 1 ? _mm256_packus_epi16(half(a), half(b)) : _mm256_packus_epi32(half(a), half(b));
  return _mm256_permute4x64_epi64(parts, kInOrder);
}
#endif
#if defined(__AVX2__)
#define NDPOOL_EVERY_SECOND(T)                                                           \
  template <int kFrom, int... kLane>                                                     \
  inline Vec<T> every_second(Vec<T> a, Vec<T> b, std::integer_sequence<int, kLane...>) { \
    return (Vec<T>)every_second_of<kFrom, sizeof(T)>((Integers)a, (Integers)b);          \
  }
NDPOOL_EVERY_SECOND(int8_t)
NDPOOL_EVERY_SECOND(uint8_t)
NDPOOL_EVERY_SECOND(int16_t)
NDPOOL_EVERY_SECOND(uint16_t)
#if !defined(NDPOOL_AVX512)
NDPOOL_EVERY_SECOND(int32_t)
NDPOOL_EVERY_SECOND(uint32_t)
NDPOOL_EVERY_SECOND(int64_t)
NDPOOL_EVERY_SECOND(uint64_t)
NDPOOL_EVERY_SECOND(float)
NDPOOL_EVERY_SECOND(double)
#endif
#undef NDPOOL_EVERY_SECOND
#endif

// Lanes from kFrom on, each twice, where its winner is the one `wanted` there; else zero.
template <class T, int kFrom>
inline Vec<T> from_pairs(Vec<T> values, Vec<Winner<T>> winners, Vec<Winner<T>> wanted) {
  constexpr std::make_integer_sequence<int, kLanes<T>> lanes;
  const auto won = twice<kFrom>(winners, lanes) == wanted;
  return won ? twice<kFrom>(values, lanes) : Vec<T>{};
}

#if defined(NDPOOL_AVX512)
// As bits: which lanes are equal.
template <class T>
inline uint64_t equal_bits(Vec<T> a, Vec<T> b) {
  if constexpr (std::is_same_v<T, float>) return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
  if constexpr (std::is_same_v<T, double>) return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ);
  if constexpr (sizeof(T) == 1) return _mm512_cmpeq_epi8_mask((__m512i)a, (__m512i)b);
  if constexpr (sizeof(T) == 2) return _mm512_cmpeq_epi16_mask((__m512i)a, (__m512i)b);
  if constexpr (sizeof(T) == 4) return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b);
  return _mm512_cmpeq_epi64_mask((__m512i)a, (__m512i)b);
}
#endif

#if defined(__AVX2__)
// The lanes of `a` where the bits are off, of `b` where they are on.
template <class V>
inline V select(uint64_t bits, V b, V a) {
#if defined(NDPOOL_AVX512)
  constexpr int kBytes = sizeof(a[0]);
  const auto on = (__m512i)b, off = (__m512i)a;
  if constexpr (kBytes == 1) return (V)_mm512_mask_mov_epi8(off, bits, on);
  if constexpr (kBytes == 2) {
    return (V)_mm512_mask_mov_epi16(off, static_cast<__mmask32>(bits), on);
  }
  if constexpr (kBytes == 4) {
    return (V)_mm512_mask_mov_epi32(off, static_cast<__mmask16>(bits), on);
  }
  if constexpr (kBytes == 8) return (V)_mm512_mask_mov_epi64(off, static_cast<__mmask8>(bits), on);
#else
  using Lane = std::decay_t<decltype(a[0])>;
  return (V)_mm256_blendv_epi8((__m256i)a, (__m256i)b, (__m256i)lanes_of<Lane>(bits));
#endif
}
#endif

// For each lane, whether it is NaN in a or in b; what `any` takes, and | joins.
template <class T>
inline auto unordered(Vec<T> a, Vec<T> b) {
  return (Vec<Winner<T>>)(a != a) | (Vec<Winner<T>>)(b != b);
}
template <class M>
inline bool any(M found) {
#if defined(NDPOOL_AVX512)
  return _mm512_test_epi64_mask((__m512i)found, (__m512i)found) != 0;
#elif defined(__AVX2__)
  return !_mm256_testz_si256((__m256i)found, (__m256i)found);
#else
  bool some = false;
  for (size_t lane = 0; lane < sizeof(M) / sizeof(found[0]); ++lane) some |= found[lane] != 0;
  return some;
#endif
}
#if defined(NDPOOL_AVX512)
template <>
inline auto unordered<float>(Vec<float> a, Vec<float> b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q);
}
template <>
inline auto unordered<double>(Vec<double> a, Vec<double> b) {
  return _mm512_cmp_pd_mask(a, b, _CMP_UNORD_Q);
}
inline bool any(__mmask16 found) { return found != 0; }
inline bool any(__mmask8 found) { return found != 0; }

// The lanes whose bits are set, nothing else is read; `low` in the others.
template <class T>
inline Vec<T> load_masked(const T* from, uint64_t bits, T low) {
  const auto others = (__m512i)broadcast(low);
  if constexpr (sizeof(T) == 1) {
    return (Vec<T>)_mm512_mask_loadu_epi8(others, bits, from);
  } else if constexpr (sizeof(T) == 2) {
    return (Vec<T>)_mm512_mask_loadu_epi16(others, static_cast<__mmask32>(bits), from);
  } else if constexpr (sizeof(T) == 4) {
    return (Vec<T>)_mm512_mask_loadu_epi32(others, static_cast<__mmask16>(bits), from);
  } else {
    return (Vec<T>)_mm512_mask_loadu_epi64(others, static_cast<__mmask8>(bits), from);
  }
}
#elif defined(__AVX2__)
template <>
inline auto unordered<float>(Vec<float> a, Vec<float> b) {
  return (Vec<uint32_t>)_mm256_cmp_ps(a, b, _CMP_UNORD_Q);
}
template <>
inline auto unordered<double>(Vec<double> a, Vec<double> b) {
  return (Vec<uint64_t>)_mm256_cmp_pd(a, b, _CMP_UNORD_Q);
}

// The lanes whose bits are set, nothing before the first and behind the last is read; `low` in the
// others. A lane of four bytes or more can be left out by itself.
template <class T>
inline Vec<T> load_masked(const T* from, uint64_t bits, T low) {
  const Vec<Winner<T>> lanes = lanes_of<T>(bits);
  Vec<T> cells;
  if constexpr (sizeof(T) == 8) {
    cells = (Vec<T>)_mm256_maskload_epi64(reinterpret_cast<const long long*>(from), (__m256i)lanes);
  } else if constexpr (sizeof(T) == 4) {
    cells = (Vec<T>)_mm256_maskload_epi32(reinterpret_cast<const int*>(from), (__m256i)lanes);
  } else {
    T some[kLanes<T>] = {};
    copy_lanes<kLanes<T>>(some, from, bits);
    cells = load(some);
  }
  return select(bits, cells, broadcast(low));
}
#endif

// The first lanes, one at least, as bits.
inline uint64_t first_bits(int64_t lanes) { return ~uint64_t{0} >> (lanes < 64 ? 64 - lanes : 0); }
// Lanes [lo, hi) as bits; lo and hi may lie anywhere.
inline uint64_t bits_between(int64_t lo, int64_t hi) {
  const auto below = [](int64_t n) {
    return n >= 64 ? ~uint64_t{0} : n > 0 ? (uint64_t{1} << n) - 1 : 0;
  };
  return below(hi) & ~below(lo);
}

#if defined(__AVX2__) && !defined(NDPOOL_AVX512)
// Those of the values whose bits are set, but not all of them. (Such functions are for the ends of
// arrays: not inlined, or half of all code would be copies of them.)
template <class T>
__attribute__((noinline)) void store_part(T* to, const T* values, int64_t lanes, uint64_t bits) {
  if (bits & 1) {                                                // up to some last one, mostly
    const int64_t count = __builtin_ctzll(~bits) & (lanes - 1);  // which the compiler sees
    copy_some(to, values, count);
    if (bits >> count == 0) return;
  }
  for (int64_t lane = 0; lane < lanes; ++lane) {
    if (bits >> lane & 1) to[lane] = values[lane];
  }
}
template <class T>
inline void store_first(T* to, const T* values, int64_t lanes, uint64_t bits) {
  const uint64_t all = ~uint64_t{0} >> (64 - lanes);
  bits &= all;
  bits == all ? copy_some(to, values, lanes) : store_part(to, values, lanes, bits);
}
template <int kBytes>
inline void put_some(uint8_t* to, __m128i bytes, uint64_t bits) {
  constexpr uint64_t kAll = (uint64_t{1} << kBytes) - 1;
  if ((bits & kAll) == kAll) {
    std::memcpy(to, &bytes, kBytes);
  } else {
    uint8_t all[16];
    std::memcpy(all, &bytes, sizeof all);
    store_first(to, all, kBytes, bits);
  }
}
#endif

// Store the lanes whose bits are set.
template <class T>
inline void store_some(T* to, Vec<T> v, uint64_t bits) {
#if defined(NDPOOL_AVX512)
  if constexpr (sizeof(T) == 1) {
    _mm512_mask_storeu_epi8(to, bits, (__m512i)v);
  } else if constexpr (sizeof(T) == 2) {
    _mm512_mask_storeu_epi16(to, static_cast<__mmask32>(bits), (__m512i)v);
  } else if constexpr (sizeof(T) == 4) {
    _mm512_mask_storeu_epi32(to, static_cast<__mmask16>(bits), (__m512i)v);
  } else {
    _mm512_mask_storeu_epi64(to, static_cast<__mmask8>(bits), (__m512i)v);
  }
#elif defined(__AVX2__)
  T all[kLanes<T>];
  store(all, v);
  store_first(to, all, kLanes<T>, bits);
#else
  T all[kLanes<T>];
  store(all, v);
  for (int lane = 0; lane < kLanes<T>; ++lane) {
    if (bits >> lane & 1) to[lane] = all[lane];
  }
#endif
}

// Store the winners whose bits are set, each as a byte.
template <class T>
inline void store_bytes(uint8_t* to, Vec<Winner<T>> winners, uint64_t bits) {
#if defined(NDPOOL_AVX512)
  const auto v = (__m512i)winners;
  if constexpr (sizeof(T) == 1) {
    _mm512_mask_storeu_epi8(to, bits, v);
  } else if constexpr (sizeof(T) == 2) {
    _mm512_mask_cvtepi16_storeu_epi8(to, static_cast<__mmask32>(bits), v);
  } else if constexpr (sizeof(T) == 4) {
    _mm512_mask_cvtepi32_storeu_epi8(to, static_cast<__mmask16>(bits), v);
  } else {
    _mm512_mask_cvtepi64_storeu_epi8(to, static_cast<__mmask8>(bits), v);
  }
#elif defined(__AVX2__)
  const auto v = (__m256i)winners;
  if constexpr (sizeof(T) == 1) {
    store_some(to, winners, bits);
  } else if constexpr (sizeof(T) == 2) {
    const __m128i low = _mm256_castsi256_si128(v), high = _mm256_extracti128_si256(v, 1);
    put_some<16>(to, _mm_packus_epi16(low, high), bits);
  } else {
    constexpr int kNone = -1, k = static_cast<int>(sizeof(T));
    const __m256i first =
        k == 4
            ? _mm256_setr_epi32(0x0c080400, kNone, kNone, kNone, 0x0c080400, kNone, kNone, kNone)
            : _mm256_setr_epi32(0xffff0800, kNone, kNone, kNone, 0x0800ffff, kNone, kNone, kNone);
    const __m256i bytes = _mm256_shuffle_epi8(v, first);
    const __m128i low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
    if constexpr (k == 4) put_some<8>(to, _mm_unpacklo_epi32(low, high), bits);
    if constexpr (k == 8) put_some<4>(to, _mm_or_si128(low, high), bits);
  }
#else
  for (int lane = 0; lane < kLanes<T>; ++lane) {
    if (bits >> lane & 1) to[lane] = static_cast<uint8_t>(winners[lane]);
  }
#endif
}

#if defined(NDPOOL_AVX512)
// The same where each takes as many bytes as W.
template <class T>
inline void store_winners(uint8_t* to, Vec<Winner<T>> winners, uint64_t bits) {
  store_bytes<T>(to, winners, bits);
}
template <class T>
inline void store_winners(uint16_t* to, Vec<Winner<T>> winners, uint64_t bits) {
  const auto v = (__m512i)winners;
  if constexpr (sizeof(T) == 8) {
    _mm512_mask_cvtepi64_storeu_epi16(to, static_cast<__mmask8>(bits), v);
  } else if constexpr (sizeof(T) == 4) {
    _mm512_mask_cvtepi32_storeu_epi16(to, static_cast<__mmask16>(bits), v);
  } else {
    _mm512_mask_storeu_epi16(to, static_cast<__mmask32>(bits), v);
  }
}
#elif defined(__AVX2__)
template <class T>
inline void store_winners(uint8_t* to, Vec<Winner<T>> winners, uint64_t bits) {
  store_bytes<T>(to, winners, bits);
}
template <class T>
inline void store_winners(uint16_t* to, Vec<Winner<T>> winners, uint64_t bits) {
  uint16_t pairs[kLanes<T>];
  for (int lane = 0; lane < kLanes<T>; ++lane) pairs[lane] = static_cast<uint16_t>(winners[lane]);
  store_first(to, pairs, kLanes<T>, bits);
}
#endif

// The first `count` of these winners, fewer than the lanes of T, and zeros.
template <class T>
inline Vec<Winner<T>> widen_some(const uint8_t* from, int64_t count) {
#if defined(NDPOOL_AVX512)
  const uint64_t bits = (uint64_t{1} << count) - 1;
  if constexpr (sizeof(T) == 1) {
    return (Vec<Winner<T>>)_mm512_maskz_loadu_epi8(bits, from);
  } else if constexpr (sizeof(T) == 2) {
    return (Vec<Winner<T>>)_mm512_cvtepu8_epi16(
        _mm256_maskz_loadu_epi8(static_cast<__mmask32>(bits), from));
  } else {
    const __m128i bytes = _mm_maskz_loadu_epi8(static_cast<__mmask16>(bits), from);
    if constexpr (sizeof(T) == 4) return (Vec<Winner<T>>)_mm512_cvtepu8_epi32(bytes);
    return (Vec<Winner<T>>)_mm512_cvtepu8_epi64(bytes);
  }
#else
  uint8_t some[kLanes<T>] = {};
  for (int64_t i = 0; i < count; ++i) some[i] = from[i];
  return widen_winners<T>(some);
#endif
}

inline Vec<uint16_t> widen_bytes(const uint8_t* from) {
#if defined(NDPOOL_AVX512)
  return (Vec<uint16_t>)_mm512_cvtepu8_epi16(
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(__AVX2__)
  return (Vec<uint16_t>)_mm256_cvtepu8_epi16(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#elif defined(__x86_64__)
  return (Vec<uint16_t>)_mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)),
                                          _mm_setzero_si128());
#else
  Vec<uint16_t> wide;
  for (int lane = 0; lane < kLanes<uint16_t>; ++lane) wide[lane] = from[lane];
  return wide;
#endif
}

inline Vec<uint16_t> high_product(Vec<uint16_t> a, Vec<uint16_t> b) {  // a * b / 65536
#if defined(NDPOOL_AVX512)
  return (Vec<uint16_t>)_mm512_mulhi_epu16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Vec<uint16_t>)_mm256_mulhi_epu16((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
  return (Vec<uint16_t>)_mm_mulhi_epu16((__m128i)a, (__m128i)b);
#else
  for (int lane = 0; lane < kLanes<uint16_t>; ++lane) {
    a[lane] = static_cast<uint16_t>((uint32_t{a[lane]} * b[lane]) >> 16);
  }
  return a;
#endif
}

// ---- runs of cells ----
//
// Rows are often shorter than what compilers unroll their loops to, so their code for the rest
// decides. With AVX-512 the rest is one step that overlaps the one before; a masked one only where
// there was none, because what a masked store wrote has to reach the cache before it can be read.

template <int kBytes>
inline void copy_ends(char* to, const char* from, int64_t bytes) {  // kBytes <= bytes <= 2 * kBytes
  char head[kBytes], tail[kBytes];
  std::memcpy(head, from, kBytes);
  std::memcpy(tail, from + bytes - kBytes, kBytes);
  std::memcpy(to, head, kBytes);
  std::memcpy(to + bytes - kBytes, tail, kBytes);
}

// Rows of a few vectors are not worth the call of memcpy.
template <class T>
__attribute__((always_inline)) inline void copy_run(T* to, const T* from, int64_t count) {
  constexpr int64_t V = kVectorBytes;
  const int64_t bytes = count * static_cast<int64_t>(sizeof(T));
  auto* target = reinterpret_cast<char*>(to);
  const auto* source = reinterpret_cast<const char*>(from);
  if (bytes > 8 * V) {
    std::memcpy(target, source, static_cast<size_t>(bytes));
  } else if (bytes >= V) {
    int64_t i = 0;
    for (; i + V <= bytes; i += V) std::memcpy(target + i, source + i, V);
    std::memcpy(target + bytes - V, source + bytes - V, V);
  } else if (bytes >= 32) {
    copy_ends<32>(target, source, bytes);
  } else if (bytes >= 16) {
    copy_ends<16>(target, source, bytes);
  } else if (bytes >= 8) {
    copy_ends<8>(target, source, bytes);
  } else if (bytes >= 4) {
    copy_ends<4>(target, source, bytes);
  } else {
    for (int64_t i = 0; i < bytes; ++i) target[i] = source[i];
  }
}

template <class To, class From>
inline void convert_run(To* to, const From* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<To>(from[i]);
}

// Compilers do not vectorise a search: it could end early.
template <class T, class Test>
inline bool any_of(const T* values, int64_t count, Test test) {
  constexpr int L = kLanes<T>;
  Vec<Winner<T>> found{};
  int64_t i = 0;
  for (; i + L <= count; i += L) found |= (Vec<Winner<T>>)test(load(values + i));
  Winner<T> any = 0;
  for (int lane = 0; lane < L; ++lane) any |= found[lane];
  if (i < count) {
    T rest[L];
    for (int lane = 0; lane < L; ++lane) rest[lane] = values[i + (lane < count - i ? lane : 0)];
    const auto last = (Vec<Winner<T>>)test(load(rest));
    for (int lane = 0; lane < L; ++lane) any |= last[lane];
  }
  return any != 0;
}
template <class T>
inline bool any_equal(const T* values, int64_t count, T wanted) {
  return any_of(values, count, [wanted](Vec<T> v) { return v == broadcast(wanted); });
}
template <class T>
inline bool any_nan(const T* values, int64_t count) {
  return any_of(values, count, [](Vec<T> v) { return v != v; });
}

// Is any value at least `limit`?
template <class W>
inline bool any_from(const W* values, int64_t count, W limit) {
  constexpr int L = kLanes<W>;
  Vec<W> worst{};
  int64_t i = 0;
  for (; i + L <= count; i += L) {
    const Vec<W> next = load(values + i);
    worst = next > worst ? next : worst;
  }
  bool any = false;
  for (int lane = 0; lane < L; ++lane) any |= worst[lane] >= limit;
  for (; i < count; ++i) any |= values[i] >= limit;
  return any;
}

// even[i] = from[2 * i], odd[i] = from[2 * i + 1]
template <class T>
inline void split_run(T* even, T* odd, const T* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    even[i] = from[2 * i];
    odd[i] = from[2 * i + 1];
  }
}

// to[2 * i] = even[i], to[2 * i + 1] = odd[i]; may write and read up to two vectors further on
template <class T>
inline void interleave_run(T* to, const T* even, const T* odd, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    to[2 * i] = even[i];
    to[2 * i + 1] = odd[i];
  }
}

#if defined(NDPOOL_AVX512)
inline __mmask16 mask16(int64_t lanes) {
  return static_cast<__mmask16>(lanes >= 16 ? 0xffff : lanes > 0 ? (1 << lanes) - 1 : 0);
}
// Call step(i, all) for i = 0, 16, ... and at last for count - 16; short(mask) where count < 16.
template <class Step, class Short>
inline void by_16(int64_t count, Step step, Short short_step) {
  if (count < 16) return short_step(mask16(count));
  for (int64_t i = 0; i + 16 <= count; i += 16) step(i);
  if (count % 16) step(count - 16);
}

// GCC 12 goes through scalars between 8 and 32 bit lanes.
template <>
inline void convert_run(uint32_t* to, const uint8_t* from, int64_t count) {
  by_16(
      count,
      [=](int64_t i) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
        _mm512_storeu_si512(to + i, _mm512_cvtepu8_epi32(bytes));
      },
      [=](__mmask16 mask) {
        _mm512_mask_storeu_epi32(to, mask, _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, from)));
      });
}
template <>
inline void convert_run(uint8_t* to, const uint32_t* from, int64_t count) {
  by_16(
      count,
      [=](int64_t i) {
        const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_loadu_si512(from + i));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), bytes);
      },
      [=](__mmask16 mask) {
        _mm512_mask_cvtepi32_storeu_epi8(to, mask, _mm512_maskz_loadu_epi32(mask, from));
      });
}

template <>
inline bool any_from(const uint8_t* values, int64_t count, uint8_t limit) {
  const __m512i limits = _mm512_set1_epi8(static_cast<char>(limit));
  __mmask64 any = 0;
  for (int64_t i = 0; i < count; i += 64) {
    const __mmask64 here = count - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (count - i)) - 1;
    any |= _mm512_mask_cmpge_epu8_mask(here, _mm512_maskz_loadu_epi8(here, values + i), limits);
  }
  return any != 0;
}

inline __m512i even_lanes() {
  return _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}
template <>
inline void split_run(float* even, float* odd, const float* from, int64_t count) {
  const __m512i evens = even_lanes(), odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
  by_16(
      count,
      [=](int64_t i) {
        const __m512 a = _mm512_loadu_ps(from + 2 * i), b = _mm512_loadu_ps(from + 2 * i + 16);
        _mm512_storeu_ps(even + i, _mm512_permutex2var_ps(a, evens, b));
        _mm512_storeu_ps(odd + i, _mm512_permutex2var_ps(a, odds, b));
      },
      [=](__mmask16 mask) {
        const __m512 a = _mm512_maskz_loadu_ps(mask16(2 * count), from);
        const __m512 b = _mm512_maskz_loadu_ps(mask16(2 * count - 16), from + 16);
        _mm512_mask_storeu_ps(even, mask, _mm512_permutex2var_ps(a, evens, b));
        _mm512_mask_storeu_ps(odd, mask, _mm512_permutex2var_ps(a, odds, b));
      });
}
template <class T>
inline void interleave_small(T* to, const T* even, const T* odd, int64_t count) {
  constexpr int64_t kHalf = kLanes<T> / 2;
  for (int64_t i = 0; i < count; i += kHalf) {
    const auto some = [i](const T* from) {
      const auto* at = reinterpret_cast<const __m256i*>(from + i);
      return widen_half(_mm512_castsi256_si512(_mm256_loadu_si256(at)), 0, T{});
    };
    _mm512_storeu_si512(to + 2 * i, _mm512_or_si512(some(even), shifted_up(some(odd), T{})));
  }
}
template <>
inline void interleave_run(uint8_t* to, const uint8_t* even, const uint8_t* odd, int64_t count) {
  interleave_small(to, even, odd, count);
}
template <>
inline void interleave_run(uint16_t* to, const uint16_t* even, const uint16_t* odd, int64_t count) {
  interleave_small(to, even, odd, count);
}
template <>
inline void interleave_run(double* to, const double* even, const double* odd, int64_t count) {
  const __m512i low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  const __m512i high = _mm512_add_epi64(low, _mm512_set1_epi64(4));
  for (int64_t i = 0; i < count; i += 8) {
    const __m512d a = _mm512_loadu_pd(even + i), b = _mm512_loadu_pd(odd + i);
    _mm512_storeu_pd(to + 2 * i, _mm512_permutex2var_pd(a, low, b));
    if (i + 4 < count) _mm512_storeu_pd(to + 2 * i + 8, _mm512_permutex2var_pd(a, high, b));
  }
}
template <>
inline void interleave_run(float* to, const float* even, const float* odd, int64_t count) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  for (int64_t i = 0; i < count; i += 16) {
    const __m512 a = _mm512_loadu_ps(even + i), b = _mm512_loadu_ps(odd + i);
    _mm512_storeu_ps(to + 2 * i, _mm512_permutex2var_ps(a, low, b));
    if (i + 8 < count) _mm512_storeu_ps(to + 2 * i + 16, _mm512_permutex2var_ps(a, high, b));
  }
}
#endif

#if defined(NDPOOL_AVX512)
// What stands in a table of 32 * kPairs numbers at the places that the lanes of `index` are.
template <int kPairs>
inline __m512i entries(const __m512i* table, __m512i index) {
  if constexpr (kPairs == 1) {
    return _mm512_permutex2var_epi32(table[0], index, table[1]);  // sees the lowest bits alone
  } else {
    const __mmask16 upper = _mm512_test_epi32_mask(index, _mm512_set1_epi32(16 * kPairs));
    return _mm512_mask_blend_epi32(upper, entries<kPairs / 2>(table, index),
                                   entries<kPairs / 2>(table + kPairs, index));
  }
}
// How many pairs of vectors a table of so many numbers has, up to 256, as an argument.
template <class Function>
inline auto with_pairs(int64_t numbers, const Function& function) {
  if (numbers <= 32) return function(std::integral_constant<int, 1>{});
  if (numbers <= 64) return function(std::integral_constant<int, 2>{});
  if (numbers <= 128) return function(std::integral_constant<int, 4>{});
  return function(std::integral_constant<int, 8>{});
}
#endif

}  // namespace
}  // namespace ndpool
