// Calls that came before. What a call's arguments mean is found out once, in Python; the next call
// with the same arguments, on an array of the same shape and dtype, goes straight to the kernels:
// on small arrays everything else would take longer than they do.
#pragma once

#include <Python.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "array.h"

namespace ndpool {
namespace {

constexpr int kMostPlain = 8;  // arguments of a call that are no arrays

// One that can be told from all others by its type and value: None, a bool, an int, a str, or a
// tuple of them. (2.0 == 2 == True + 1, but they are not the same argument.)
inline bool plain(PyObject* value, int depth = 2) {
  if (value == Py_None || PyBool_Check(value) || PyLong_CheckExact(value)) return true;
  if (PyUnicode_CheckExact(value)) return true;
  if (!PyTuple_CheckExact(value) || depth == 0) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); ++i) {
    if (!plain(PyTuple_GET_ITEM(value, i), depth - 1)) return false;
  }
  return true;
}

// Whether `a` is the plain `b`.
inline bool same(PyObject* a, PyObject* b) {
  if (a == b) return true;
  if (Py_TYPE(a) != Py_TYPE(b)) return false;
  if (PyLong_CheckExact(a)) {
    int over_a = 0, over_b = 0;
    const long long left = PyLong_AsLongLongAndOverflow(a, &over_a);
    return left == PyLong_AsLongLongAndOverflow(b, &over_b) && !over_a && !over_b;
  }
  if (PyUnicode_CheckExact(a)) return PyUnicode_Compare(a, b) == 0;
  if (!PyTuple_CheckExact(a) || PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b)) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a); ++i) {
    if (!same(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i))) return false;
  }
  return true;
}

// A number that is the same for the same plain arguments.
inline size_t mixed(size_t seed, PyObject* value) {
  if (PyTuple_CheckExact(value)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); ++i) {
      seed = mixed(seed, PyTuple_GET_ITEM(value, i));
    }
    return seed;
  }
  size_t more = 0;
  if (PyLong_CheckExact(value)) {
    int over = 0;
    more = static_cast<size_t>(PyLong_AsLongLongAndOverflow(value, &over));
  } else if (!PyUnicode_CheckExact(value)) {  // None, True, False: there is one of each
    more = reinterpret_cast<size_t>(value) >> 4;
  }
  return (seed ^ more) * 0x9e3779b97f4a7c15u + 1;
}

// What tells one call from another: the function, the array's shape and dtype, the rest.
struct Question {
  int function;
  PyArrayObject* array;
  PyObject* const* rest;
  Py_ssize_t count;

  size_t number() const {
    size_t seed = static_cast<size_t>(function);
    for (int i = 0; i < PyArray_NDIM(array); ++i) {
      seed = (seed ^ static_cast<size_t>(PyArray_DIM(array, i))) * 0x9e3779b97f4a7c15u + 1;
    }
    for (Py_ssize_t i = 0; i < count; ++i) seed = mixed(seed, rest[i]);
    return seed >> 40;
  }
};

// The last calls, one for each number. `Answer` is what is remembered of them.
template <class Answer>
class Recall {
 public:
  // Null if no such call is remembered.
  std::shared_ptr<Answer> find(const Question& question) {
    const std::lock_guard<std::mutex> guard(lock_);
    const Entry& entry = entries_[question.number() % kEntries];
    return entry.answer && entry.matches(question) ? entry.answer : nullptr;
  }

  void keep(const Question& question, std::shared_ptr<Answer> answer) {
    if (question.count > kMostPlain || PyArray_NDIM(question.array) > kMostDimensions) return;
    for (Py_ssize_t i = 0; i < question.count; ++i) {
      if (!plain(question.rest[i])) return;
    }
    Entry old(question, std::move(answer));  // what it replaces is let go after the lock
    const std::lock_guard<std::mutex> guard(lock_);
    std::swap(entries_[question.number() % kEntries], old);
  }

 private:
  static constexpr size_t kEntries = 256;
  static constexpr int kMostDimensions = 8;

  struct Entry {
    Entry() = default;
    Entry(const Question& question, std::shared_ptr<Answer> what)
        : answer(std::move(what)),
          function(question.function),
          ndim(PyArray_NDIM(question.array)),
          count(question.count),
          dtype(nb::borrow(reinterpret_cast<PyObject*>(PyArray_DESCR(question.array)))) {
      for (int i = 0; i < ndim; ++i) shape[i] = PyArray_DIM(question.array, i);
      for (Py_ssize_t i = 0; i < count; ++i) rest[i] = nb::borrow(question.rest[i]);
    }
    bool matches(const Question& question) const {
      if (question.function != function || question.count != count) return false;
      if (PyArray_NDIM(question.array) != ndim) return false;
      if (reinterpret_cast<PyObject*>(PyArray_DESCR(question.array)) != dtype.ptr()) return false;
      for (int i = 0; i < ndim; ++i) {
        if (PyArray_DIM(question.array, i) != shape[i]) return false;
      }
      for (Py_ssize_t i = 0; i < count; ++i) {
        if (!same(question.rest[i], rest[i].ptr())) return false;
      }
      return true;
    }

    std::shared_ptr<Answer> answer;
    int function = 0, ndim = 0;
    Py_ssize_t count = 0;
    nb::object dtype;
    npy_intp shape[kMostDimensions] = {};
    nb::object rest[kMostPlain];
  };

  std::mutex lock_;
  std::array<Entry, kEntries> entries_;
};

}  // namespace
}  // namespace ndpool
