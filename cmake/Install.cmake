# What `make install` puts where: the command, libraries, headers, pkg-config files, CMake package
# and man pages.
include(CMakePackageConfigHelpers)

if(TARGET keyway)
  install(TARGETS keyway RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tool)
endif()
install(DIRECTORY include/keyway DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${CMAKE_BINARY_DIR}/libkeyway.a ${CMAKE_BINARY_DIR}/libkeyway-lab.a
        DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES man/keyway.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
if(TARGET manual)
  install(DIRECTORY ${CMAKE_BINARY_DIR}/man/man3 DESTINATION ${CMAKE_INSTALL_MANDIR})
endif()

# The files find their place by their own, so that an installation can be moved.
file(RELATIVE_PATH keyway_pc_prefix /x/${CMAKE_INSTALL_LIBDIR}/pkgconfig /x)
foreach(name keyway keyway-lab)
  configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

set(keyway_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Keyway)
set_target_properties(keyway-shared PROPERTIES EXPORT_NAME keyway)
set_target_properties(keyway-lab-shared PROPERTIES EXPORT_NAME lab)
install(TARGETS keyway-shared keyway-lab-shared EXPORT KeywayTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT KeywayTargets NAMESPACE Keyway:: DESTINATION ${keyway_cmake_dir})
configure_package_config_file(cmake/KeywayConfig.cmake.in KeywayConfig.cmake
                              INSTALL_DESTINATION ${keyway_cmake_dir}
                              PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(KeywayConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/KeywayConfig.cmake ${CMAKE_BINARY_DIR}/KeywayConfigVersion.cmake
        DESTINATION ${keyway_cmake_dir})
