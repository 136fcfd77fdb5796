# Every test/<kind>/*_test.c is one program and one ctest test with its kind as label.
enable_testing()
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

set(timeout_unit 120)
set(timeout_dialogue 180)
set(timeout_sim 300)
set(timeout_integration 300)
set(integration_count 0)

# The simulation has a brain of its own, into which faults can be put (src/core/mutant.h). Its
# objects come before the layer's archive, which then adds none.
file(GLOB core_sources CONFIGURE_DEPENDS src/core/*.c)
add_library(keyway_core_mutants OBJECT ${core_sources})
target_include_directories(keyway_core_mutants PRIVATE include src)
target_compile_definitions(keyway_core_mutants PRIVATE KEYWAY_MUTANTS)

foreach(kind unit dialogue sim integration)
  file(GLOB helpers CONFIGURE_DEPENDS test/${kind}/support/*.c)
  file(GLOB tests CONFIGURE_DEPENDS test/${kind}/*_test.c)
  if(helpers AND tests)
    add_library(keyway_${kind}_support STATIC ${helpers})
    set_target_properties(keyway_${kind}_support PROPERTIES
                          ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/layers)
    target_include_directories(keyway_${kind}_support PUBLIC test)
    foreach(below unit dialogue)
      if(TARGET keyway_${below}_support AND NOT kind STREQUAL below)
        target_link_libraries(keyway_${kind}_support PUBLIC keyway_${below}_support)
      endif()
    endforeach()
    target_link_libraries(keyway_${kind}_support PUBLIC ${keyway_layers} PkgConfig::CMOCKA)
  endif()
  foreach(test ${tests})
    get_filename_component(name ${test} NAME_WE)
    set(target ${kind}_${name})
    add_executable(${target} ${test})
    if(kind STREQUAL sim)
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:keyway_core_mutants>)
      target_compile_definitions(${target} PRIVATE KEYWAY_MUTANTS)
    endif()
    target_include_directories(${target} PRIVATE test)
    if(helpers)
      target_link_libraries(${target} PRIVATE keyway_${kind}_support)
    endif()
    target_link_libraries(${target} PRIVATE ${keyway_layers} PkgConfig::CMOCKA)
    if(name STREQUAL lab_generated_test)
      target_link_options(${target} PRIVATE -Wl,--wrap=node_redirect_decide) # it counts
    endif()
    add_test(NAME ${kind}/${name} COMMAND ${target})
    set_tests_properties(${kind}/${name} PROPERTIES
      LABELS ${kind} TIMEOUT ${timeout_${kind}}
      ENVIRONMENT "KEYWAY_BINARY=${CMAKE_BINARY_DIR}/keyway;KEYWAY_SOURCE=${CMAKE_SOURCE_DIR}")
    if(kind STREQUAL integration)
      # Real servers and clocks: never more than two of these at once, in two lanes. The soak, the
      # longest, begins its lane and shares it with every third of the others.
      math(EXPR integration_count "${integration_count} + 1")
      math(EXPR third "${integration_count} % 3")
      if(name MATCHES soak OR third EQUAL 0)
        set(lane 0)
      else()
        set(lane 1)
      endif()
      set(cost 10)
      if(name MATCHES soak)
        set(cost 100)
      endif()
      set_tests_properties(${kind}/${name} PROPERTIES RESOURCE_LOCK integration_lane_${lane}
                                                      COST ${cost})
    endif()
  endforeach()
endforeach()

# The simulation of a large cluster (docs/scale.md), run by scripts/scale.
file(GLOB scale_sources CONFIGURE_DEPENDS test/scale/*.c)
add_executable(scale ${scale_sources})
target_include_directories(scale PRIVATE test)
target_link_libraries(scale PRIVATE ${keyway_layers})
