// NumPy's arrays as the kernels see them: where the elements are, and how far apart.
#pragma once

#define NPY_NO_DEPRECATED_API NPY_1_23_API_VERSION
#include <nanobind/nanobind.h>
#include <numpy/arrayobject.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "work.h"

namespace ndpool {
namespace {

namespace nb = nanobind;

class Array {
 public:
  explicit Array(PyObject* array) : array_(reinterpret_cast<PyArrayObject*>(array)) {
    if (!PyArray_Check(array)) throw std::invalid_argument("not an array");
  }

  void* data() const { return PyArray_DATA(array_); }
  int ndim() const { return PyArray_NDIM(array_); }
  const npy_intp* shape() const { return PyArray_DIMS(array_); }
  int64_t itemsize() const { return PyArray_ITEMSIZE(array_); }
  int64_t step(int axis) const { return PyArray_STRIDE(array_, axis) / itemsize(); }
  Extent extent() const {
    const char* begin = PyArray_BYTES(array_);
    const char* end = begin + itemsize();
    for (int i = 0; i < ndim(); ++i) {
      const npy_intp reach = (shape()[i] - 1) * PyArray_STRIDE(array_, i);
      reach < 0 ? begin += reach : end += reach;
    }
    return {begin, end};
  }
  bool contiguous() const { return PyArray_IS_C_CONTIGUOUS(array_); }
  // Whether its elements stand at whole steps from an aligned place, as the kernels read them.
  bool aligned() const {
    const int64_t size = itemsize();
    bool whole = reinterpret_cast<intptr_t>(data()) % size == 0 || PyArray_SIZE(array_) == 0;
    if (contiguous()) return whole;
    for (int i = 0; i < ndim(); ++i) whole &= PyArray_STRIDE(array_, i) % size == 0;
    return whole;
  }
  bool has(const std::vector<int64_t>& sizes) const {
    return ndim() == static_cast<int>(sizes.size()) &&
           std::equal(sizes.begin(), sizes.end(), shape());
  }
  // A result is written as a whole, in order.
  bool can_be_result(const std::vector<int64_t>& sizes) const {
    return has(sizes) && contiguous() && PyArray_ISWRITEABLE(array_);
  }

 private:
  PyArrayObject* array_;
};

inline int offset_type(int bytes) {
  return bytes == 1 ? NPY_UINT8 : bytes == 2 ? NPY_UINT16 : NPY_UINT32;
}

}  // namespace
}  // namespace ndpool
