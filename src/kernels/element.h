// Elements as they are stored and as they are computed with.
//
// The two 2-byte floats are widened to float32, which is exact, bit tricks included: NaN payloads
// and subnormals survive the way there and back, whatever the rounding or flush-to-zero mode.
#pragma once

#include <limits>
#include <type_traits>

#include "simd.h"

namespace ndpool {
namespace {

struct Half {
  uint16_t bits;
};
struct Brain {
  uint16_t bits;
};

inline uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float of_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// Every selection below is free of branches, so that compilers vectorise the loops around them.
inline float widen(Half half) {
  const uint32_t sign = uint32_t{half.bits & 0x8000u} << 16;
  const uint32_t magnitude = uint32_t{half.bits & 0x7fffu} << 13;
  const uint32_t normal = magnitude + (magnitude >= 0x0f800000u ? 0x70000000u : 0x38000000u);
  const float subnormal = of_bits(magnitude + 0x38800000u) - of_bits(0x38800000u);
  return of_bits(sign | (magnitude < 0x00800000u ? bits_of(subnormal) : normal));
}
inline float widen(Brain brain) { return of_bits(uint32_t{brain.bits} << 16); }

inline void narrow(float value, Half& half) {  // to nearest, ties to even
  const uint32_t bits = bits_of(value), magnitude = bits & 0x7fffffffu;
  const uint32_t subnormal = bits_of(of_bits(magnitude) + 0.5f) - bits_of(0.5f);
  const uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const uint32_t payload = (magnitude >> 13) & 0x3ffu;
  const uint32_t nan = 0x7c00u | payload | (payload == 0 ? 0x200u : 0u);
  uint32_t result = magnitude < 0x38800000u ? subnormal : normal;
  result = magnitude >= 0x477ff000u ? 0x7c00u : result;
  result = magnitude > 0x7f800000u ? nan : result;
  half.bits = static_cast<uint16_t>(result | ((bits >> 16) & 0x8000u));
}
inline void narrow(float value, Brain& brain) {  // to nearest, ties to even
  const uint32_t bits = bits_of(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t nan = (bits >> 16) | ((bits & 0x7f0000u) == 0 ? 0x40u : 0u);
  brain.bits = static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

template <class T>
inline T widen(T value) {
  return value;
}
template <class T, class S>
inline void narrow(T value, S& stored) {
  stored = static_cast<S>(value);
}

// The value below which nothing of the stored type lies, as a computed one.
template <class S, class T>
constexpr T lowest() {
  if constexpr (std::is_floating_point_v<T>) {
    return -std::numeric_limits<T>::infinity();
  } else {
    return std::numeric_limits<S>::min();
  }
}

}  // namespace
}  // namespace ndpool
