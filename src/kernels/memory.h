// Memory of large results, kept for the next one when an array is let go.
//
// The system hands out fresh memory filled with zeros, page by page, when it is first written to:
// for a result beyond the cache that takes as long as the pooling. But for the last few blocks,
// what is kept is marked as free to be taken back, so that no process goes short because of it. (To
// mark it, other processors have to be interrupted: with that at each call, small results took
// twice as long on two threads as on one.)
#pragma once

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <iterator>
#include <list>
#include <mutex>
#include <optional>
#include <vector>

#include "array.h"

namespace ndpool {
namespace {

class KeptMemory {
 public:
  static constexpr size_t kLeast = 4 << 20;  // smaller blocks malloc itself keeps

  static KeptMemory& get() {
    static KeptMemory& memory = *new KeptMemory;  // which arrays outlive
    return memory;
  }

  // A block of this size: a kept one, or a new one.
  void* take(size_t size) {
    {
      const std::lock_guard<std::mutex> guard(lock_);
      for (auto block = blocks_.begin(); block != blocks_.end(); ++block) {
        if (block->size == size) return remove(block);
      }
    }
    if (size < kLeast) return std::malloc(size);
    void* start = nullptr;
    if (posix_memalign(&start, kHugePage, size) != 0) return nullptr;
#if defined(MADV_HUGEPAGE)
    madvise(start, size / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
    return start;
  }

  void give_back(void* start, size_t size) {
    const std::lock_guard<std::mutex> guard(lock_);
    if (size < kLeast || size > most_) return std::free(start);
    blocks_.push_front({start, size, false});
    kept_ += size;
    unmarked_ += size;
    shrink();
    mark();
  }

  void set_most(size_t bytes) {
    const std::lock_guard<std::mutex> guard(lock_);
    most_ = bytes;
    shrink();
  }
  size_t most() {
    const std::lock_guard<std::mutex> guard(lock_);
    return most_;
  }
  size_t kept() {
    const std::lock_guard<std::mutex> guard(lock_);
    return kept_;
  }

 private:
  static constexpr size_t kHugePage = 2 << 20;
  static constexpr size_t kMostUnmarked = 64 << 20;  // bytes
  struct Block {
    void* start;
    size_t size;
    bool marked;  // as free to be taken back
  };
  using Blocks = std::list<Block>;

  void* remove(Blocks::iterator block) {
    void* start = block->start;
    kept_ -= block->size;
    if (!block->marked) unmarked_ -= block->size;
    blocks_.erase(block);
    return start;
  }

  void shrink() {
    while (kept_ > most_) std::free(remove(std::prev(blocks_.end())));
  }

  void mark() {
#if defined(MADV_FREE)
    for (auto block = blocks_.rbegin(); unmarked_ > kMostUnmarked; ++block) {
      if (block->marked) continue;
      madvise(block->start, block->size / kHugePage * kHugePage, MADV_FREE);
      block->marked = true;
      unmarked_ -= block->size;
    }
#endif
  }

  std::mutex lock_;
  Blocks blocks_;  // the last given back first
  size_t kept_ = 0, unmarked_ = 0, most_ = 0;
};

// Lets NumPy take the memory of an array's elements from there, while this object lives.
class FromKeptMemory {
 public:
  FromKeptMemory() {
    PyObject* now = PyDataMem_GetHandler();
    const bool users = now != PyDataMem_DefaultHandler;  // somebody's own: leave it to that
    Py_XDECREF(now);
    if (!users) before_ = PyDataMem_SetHandler(capsule());
  }
  ~FromKeptMemory() {
    if (before_) Py_XDECREF(PyDataMem_SetHandler(before_));
    Py_XDECREF(before_);
  }
  FromKeptMemory(const FromKeptMemory&) = delete;
  FromKeptMemory& operator=(const FromKeptMemory&) = delete;

 private:
  static void* take(void*, size_t size) { return KeptMemory::get().take(size); }
  static void* take_zeros(void*, size_t count, size_t size) { return std::calloc(count, size); }
  static void* resize(void*, void* start, size_t size) { return std::realloc(start, size); }
  static void give_back(void*, void* start, size_t size) {
    KeptMemory::get().give_back(start, size);
  }
  static PyObject* capsule() {
    static PyDataMem_Handler handler = {
        "ndpool: kept memory", 1, {nullptr, take, take_zeros, resize, give_back}};
    static PyObject* capsule = PyCapsule_New(&handler, "mem_handler", nullptr);
    return capsule;
  }

  PyObject* before_ = nullptr;
};

// A new array, not filled.
inline nb::object new_array(const std::vector<int64_t>& shape, PyArray_Descr* dtype) {
  size_t bytes = static_cast<size_t>(PyDataType_ELSIZE(dtype));
  for (const int64_t size : shape) bytes *= static_cast<size_t>(size);
  std::optional<FromKeptMemory> kept;
  if (bytes >= KeptMemory::kLeast) kept.emplace();
  Py_INCREF(dtype);  // which is given away
  PyObject* array = PyArray_NewFromDescr(&PyArray_Type, dtype, static_cast<int>(shape.size()),
                                         shape.data(), nullptr, nullptr, 0, nullptr);
  if (!array) throw nb::python_error();
  return nb::steal(array);
}

}  // namespace
}  // namespace ndpool
