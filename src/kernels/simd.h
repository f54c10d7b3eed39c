// Vectors of the widest kind that the instruction set of this translation unit has.
//
// The compiler's own vector types do nearly everything: one spelling for all element types and
// instruction sets. Only what compilers do badly is written with intrinsics. This header is
// compiled once for each instruction set, so all of it has internal linkage, and none of it may
// instantiate a library template: the linker would keep one copy for all.
#pragma once

#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
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

template <class T>
struct Vector {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using Vec = typename Vector<T>::type;
template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

// On functions that call themselves for the next axis: inlined into themselves they only grow.
#define NDPOOL_RECURSIVE __attribute__((noinline))

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

}  // namespace
}  // namespace ndpool
