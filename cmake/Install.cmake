# What `cmake --install` puts where: program, both libraries, header, docs, and the two ways of finding
# them (pkg-config, find_package). Both are written relative to their own place, so that an
# installed tree may be moved. Man pages and completion are in cmake/ManPages.cmake.

include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/nicest)
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(installed nicest_shared nicest_static)
if(TARGET nicest_core)
    list(APPEND installed nicest_core nicest_core_static)
endif()
install(TARGETS ${installed} EXPORT nicest
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET nicest)
    install(TARGETS nicest RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(FILES include/nicest.h include/nicest_core.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs examples DESTINATION ${CMAKE_INSTALL_DOCDIR}
        FILES_MATCHING PATTERN "*.md" PATTERN "*.png" PATTERN "*.c" PATTERN "*.py")

install(EXPORT nicest NAMESPACE nicest:: FILE nicest-targets.cmake DESTINATION ${package_dir})
configure_package_config_file(cmake/nicest-config.cmake.in
                              ${CMAKE_CURRENT_BINARY_DIR}/nicest-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/nicest-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/nicest-config.cmake
        ${CMAKE_CURRENT_BINARY_DIR}/nicest-config-version.cmake DESTINATION ${package_dir})

if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR} OR IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
    set(PC_PREFIX ${CMAKE_INSTALL_PREFIX})
    set(PC_LIBDIR ${CMAKE_INSTALL_FULL_LIBDIR})
    set(PC_INCLUDEDIR ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
    file(RELATIVE_PATH up /x/${pkgconfig_dir} /x)
    string(REGEX REPLACE "/$" "" up "${up}")
    set(PC_PREFIX "\${pcfiledir}/${up}")
    set(PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
list(TRANSFORM NICEST_LINK_NAMES PREPEND -l OUTPUT_VARIABLE PC_LIBS_PRIVATE)
list(JOIN PC_LIBS_PRIVATE " " PC_LIBS_PRIVATE)
configure_file(cmake/nicest.pc.in nicest.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/nicest.pc DESTINATION ${pkgconfig_dir})
