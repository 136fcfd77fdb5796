# What Keyway costs (docs/performance.md): made and run by `make bench` and `make bench-count`.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})

# The peer that costs nothing, and the client whose instructions are counted on it.
add_executable(bench-peer bench/peer.c)
add_executable(bench-count bench/count.c)
target_link_libraries(bench-count PRIVATE ${keyway_layers})

# Beside the others' clients and the bare socket; many threads on one handle.
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis)
add_executable(bench-speed bench/speed.c bench/paths.c bench/values.c bench/map.c bench/load.c
               bench/refresh.c)
target_link_libraries(bench-speed PRIVATE ${keyway_layers} PkgConfig::HIREDIS)
add_executable(bench-threads bench/threads.c)
target_link_libraries(bench-threads PRIVATE ${keyway_layers} PkgConfig::HIREDIS Threads::Threads)
