// Storage that hls4ml's layer tracing needs; included by exactly one source of each program.

#include <cstddef>
#include <map>
#include <string>

namespace nnet {
bool trace_enabled = false;
std::map<std::string, void *> *trace_outputs = NULL;
size_t trace_type_size = sizeof(double);
} // namespace nnet
