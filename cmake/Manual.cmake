# man3 pages are made from the public headers' comments; man1 is written by hand.
if(NOT Python3_Interpreter_FOUND)
  message(STATUS "No python3: the man3 pages are not made")
  return()
endif()
set(manual ${CMAKE_BINARY_DIR}/man)
set(headers ${CMAKE_SOURCE_DIR}/include/keyway/keyway.h ${CMAKE_SOURCE_DIR}/include/keyway/lab.h)
add_custom_command(
  OUTPUT ${manual}/stamp
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/scripts/make-man --output ${manual}/man3
          --version ${PROJECT_VERSION} ${headers}
  COMMAND ${CMAKE_COMMAND} -E touch ${manual}/stamp
  DEPENDS ${headers} ${CMAKE_SOURCE_DIR}/scripts/make-man
  VERBATIM COMMENT "Making the man pages")
add_custom_target(manual ALL DEPENDS ${manual}/stamp)
add_dependencies(product manual)
