# Every test/fuzz/fuzz_*.c is a libFuzzer target over all layers; scripts/fuzz runs them.
if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
  message(FATAL_ERROR "KEYWAY_FUZZ needs clang: cmake -DCMAKE_C_COMPILER=clang")
endif()

# Comparisons traced one by one are worth it where bytes are decoded, and cost most of the time in
# loops over all slots.
target_compile_options(keyway_node PRIVATE -fno-sanitize-coverage=trace-cmp)
foreach(source node_dump_read node_listpack node_lzf node_reader)
  set_source_files_properties(src/node/${source}.c PROPERTIES
                              COMPILE_OPTIONS -fsanitize-coverage=trace-cmp)
endforeach()
foreach(source slotmap cluster_view cluster_route cluster_refresh cluster_node topology)
  set_source_files_properties(src/core/${source}.c PROPERTIES
                              COMPILE_OPTIONS -fno-sanitize-coverage=trace-cmp)
endforeach()

file(GLOB fuzz_helpers CONFIGURE_DEPENDS test/fuzz/support/*.c)
add_library(keyway_fuzz_support STATIC ${fuzz_helpers})
target_include_directories(keyway_fuzz_support PUBLIC test)
target_link_libraries(keyway_fuzz_support PUBLIC ${keyway_layers})
file(GLOB fuzz_targets CONFIGURE_DEPENDS test/fuzz/fuzz_*.c)
foreach(source ${fuzz_targets})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${name} PRIVATE keyway_fuzz_support)
endforeach()
