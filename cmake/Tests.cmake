# Every test/<kind>/*_test.c is one program and one ctest test with its kind as label.
enable_testing()
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

set(timeout_unit 120)
set(timeout_dialogue 180)
set(timeout_sim 300)
set(timeout_integration 300)
set(integration_lane 0)

foreach(kind unit dialogue sim integration)
  file(GLOB helpers CONFIGURE_DEPENDS test/${kind}/support/*.c)
  file(GLOB tests CONFIGURE_DEPENDS test/${kind}/*_test.c)
  if(helpers AND tests)
    add_library(keyway_${kind}_support STATIC ${helpers})
    set_target_properties(keyway_${kind}_support PROPERTIES
                          ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/layers)
    target_include_directories(keyway_${kind}_support PUBLIC test)
    target_link_libraries(keyway_${kind}_support PUBLIC ${keyway_layers} PkgConfig::CMOCKA)
  endif()
  foreach(test ${tests})
    get_filename_component(name ${test} NAME_WE)
    set(target ${kind}_${name})
    add_executable(${target} ${test})
    target_include_directories(${target} PRIVATE test)
    if(helpers)
      target_link_libraries(${target} PRIVATE keyway_${kind}_support)
    endif()
    target_link_libraries(${target} PRIVATE ${keyway_layers} PkgConfig::CMOCKA)
    add_test(NAME ${kind}/${name} COMMAND ${target})
    set_tests_properties(${kind}/${name} PROPERTIES
      LABELS ${kind} TIMEOUT ${timeout_${kind}}
      ENVIRONMENT "KEYWAY_BINARY=${CMAKE_BINARY_DIR}/keyway;KEYWAY_SOURCE=${CMAKE_SOURCE_DIR}")
    if(kind STREQUAL integration)
      # Real servers and clocks: never more than two of these at once.
      set_tests_properties(${kind}/${name} PROPERTIES
                           RESOURCE_LOCK integration_lane_${integration_lane})
      math(EXPR integration_lane "1 - ${integration_lane}")
    endif()
  endforeach()
endforeach()
