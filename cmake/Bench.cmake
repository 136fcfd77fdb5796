# What Keyway costs (docs/performance.md): made and run by `make bench` and `make bench-count`.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})

# The peer that costs nothing, and the client whose instructions are counted on it.
add_executable(bench-peer bench/peer.c)
add_executable(bench-count bench/count.c)
target_link_libraries(bench-count PRIVATE ${keyway_layers})

# Many threads on one handle, beside as many hiredis contexts.
pkg_check_modules(HIREDIS QUIET IMPORTED_TARGET hiredis)
if(HIREDIS_FOUND)
  add_executable(bench-threads bench/threads.c)
  target_link_libraries(bench-threads PRIVATE ${keyway_layers} PkgConfig::HIREDIS Threads::Threads)
endif()
