// SPDX-License-Identifier: Apache-2.0
//
// CPython: runs the request as a script, and answers what the script leaves in `result`. The interpreter is in
// libpython, which stays in the process. So the first generation starts it, each later one finds it, and none ends it.
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dlfcn.h>

#include <backplane/sdk.hpp>

using backplane::Bytes;
using backplane::View;

namespace {

PyObject* check(PyObject* capsule, PyObject*) noexcept {
  try {
    static_cast<backplane::Call*>(PyCapsule_GetPointer(capsule, nullptr))->check();
    Py_RETURN_NONE;
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "canceled");
    return nullptr;
  }
}
PyMethodDef check_method{"check", check, METH_NOARGS, nullptr};

class Locked {
 public:
  Locked() : state_(PyGILState_Ensure()) {}
  ~Locked() { PyGILState_Release(state_); }

 private:
  PyGILState_STATE state_;
};

struct Object {
  explicit Object(PyObject* object) : native(object) {}
  Object(const Object&) = delete;
  ~Object() { Py_XDECREF(native); }
  PyObject* native;
};

std::string error_text() {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  const Object types(type), values(value), traces(trace), text(PyObject_Str(value));
  const char* utf8 = text.native != nullptr ? PyUnicode_AsUTF8(text.native) : nullptr;
  return utf8 != nullptr ? utf8 : "an error without a text";
}

class Python {
 public:
  Python() {
    // Extension modules, such as _json, take the symbols of libpython from the global scope.
    ::dlopen(LIBPYTHON, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
    if (Py_IsInitialized() != 0) return;
    Py_InitializeEx(0);  // 0: no signal handlers
    PyEval_SaveThread();
  }

  Bytes work(backplane::Call& call, View in) {
    Bytes out;
    std::string error;
    {
      const Locked locked;
      error = run(call, in, out);
    }
    call.check();
    if (!error.empty()) throw backplane::Error(BP_ERROR, error);
    return out;
  }

 private:
  static std::string run(backplane::Call& call, View in, Bytes& out) {
    const Object globals(PyDict_New()), capsule(PyCapsule_New(&call, nullptr, nullptr));
    const Object function(PyCFunction_New(&check_method, capsule.native));
    PyDict_SetItemString(globals.native, "__builtins__", PyEval_GetBuiltins());
    PyDict_SetItemString(globals.native, "check", function.native);
    const std::string script(in.begin(), in.end());
    const Object done(PyRun_String(script.c_str(), Py_file_input, globals.native, globals.native));
    std::string error;
    if (done.native == nullptr) {
      error = error_text();
    } else if (PyObject* result = PyDict_GetItemString(globals.native, "result"); result != nullptr) {
      const char* data = PyBytes_AsString(result);
      if (data != nullptr) out.assign(data, data + PyBytes_Size(result));
      if (data == nullptr) error = error_text();
    }
    PyDict_Clear(globals.native);  // a function of the script refers to it, and it to the function
    return error;
  }
};

}  // namespace

BACKPLANE_MODULE(Python, "python", "1",
                 backplane::raw<"python.work", &Python::work, BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT>,
                 backplane::raw<"python.long", &Python::work, BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT>);
