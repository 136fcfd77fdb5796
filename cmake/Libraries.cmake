# The two libraries, shared and static. Both export the functions that their public header declares
# with KW_API and nothing else: the shared ones by a version script, the static ones by making every
# other symbol local. So neither can clash with its user's names, nor one with the other.

# The functions that a public header declares.
function(keyway_exports header ret)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
  file(READ ${header} text)
  string(REGEX MATCHALL "\nKW_API[^(;]*[ *\n]kw_[a-z0-9_]+\\(" declarations "${text}")
  list(TRANSFORM declarations REPLACE ".*[^a-z0-9_](kw_[a-z0-9_]+)\\($" "\\1")
  set(${ret} ${declarations} PARENT_SCOPE)
endfunction()

# name: of the library; header: under include/keyway; whole: layers that go in as they are; the rest
# of the arguments: layers of which goes in what those use.
function(keyway_library name header whole)
  keyway_exports(${CMAKE_SOURCE_DIR}/include/keyway/${header} exports)
  list(JOIN exports "\n" lines)
  file(CONFIGURE OUTPUT ${name}.keep CONTENT "${lines}\n" @ONLY)
  list(JOIN exports ";\n    " lines)
  file(CONFIGURE OUTPUT ${name}.map CONTENT
    "KEYWAY_${PROJECT_VERSION_MAJOR} {\n  global:\n    ${lines};\n  local:\n    *;\n};\n" @ONLY)

  set(objects "")
  foreach(layer ${whole})
    list(APPEND objects $<TARGET_OBJECTS:keyway_${layer}>)
  endforeach()
  list(TRANSFORM ARGN PREPEND keyway_ OUTPUT_VARIABLE parts)

  add_library(${name}-shared SHARED ${objects})
  target_link_libraries(${name}-shared PRIVATE ${parts} keyway_io)
  target_link_options(${name}-shared PRIVATE
    -Wl,--version-script=${CMAKE_BINARY_DIR}/${name}.map -Wl,--no-undefined -Wl,--as-needed)
  set_target_properties(${name}-shared PROPERTIES
    OUTPUT_NAME ${name} LINKER_LANGUAGE C LINK_DEPENDS ${CMAKE_BINARY_DIR}/${name}.map
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})

  # One relocatable object of all that belongs in it, its other symbols made local.
  set(archives "")
  foreach(part ${parts})
    list(APPEND archives $<TARGET_FILE:${part}>)
  endforeach()
  set(object ${CMAKE_BINARY_DIR}/${name}.o)
  set(archive ${CMAKE_BINARY_DIR}/lib${name}.a)
  set(dependencies ${parts})
  foreach(layer ${whole})
    list(APPEND dependencies keyway_${layer})
  endforeach()
  add_custom_command(
    OUTPUT ${archive}
    COMMAND ${CMAKE_LINKER} -r -o ${object} ${objects} --start-group ${archives} --end-group
    COMMAND ${CMAKE_OBJCOPY} --keep-global-symbols=${CMAKE_BINARY_DIR}/${name}.keep ${object}
    COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
    COMMAND ${CMAKE_AR} qcs ${archive} ${object}
    COMMAND ${CMAKE_COMMAND} -E rm -f ${object}
    DEPENDS ${dependencies} ${objects} ${CMAKE_BINARY_DIR}/${name}.keep
    COMMAND_EXPAND_LISTS VERBATIM COMMENT "Making lib${name}.a")
  add_custom_target(${name}-static ALL DEPENDS ${archive})
  add_dependencies(product ${name}-shared ${name}-static)
endfunction()

keyway_library(keyway keyway.h "base;core;io;client")
keyway_library(keyway-lab lab.h "lab;node" base core io)
