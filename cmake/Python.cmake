# The Python package: its modules, the ctypes of nicest.h, and the library, in one folder.
#
# With NICEST_PYTHON (pyproject.toml) this is all that is installed; otherwise the folder is put together in
# build/python/nicest, where the tests run.

if(NOT NICEST_PYTHON AND NOT BUILD_TESTING)
    return()
endif()
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(python_dir ${CMAKE_BINARY_DIR}/python/nicest)
set(python_header ${python_dir}/_header.py)
file(GLOB python_modules CONFIGURE_DEPENDS python/nicest/*.py python/nicest/py.typed)
add_custom_command(OUTPUT ${python_header}
                   COMMAND ${CMAKE_COMMAND} -E make_directory ${python_dir}
                   COMMAND ${CMAKE_COMMAND} -E copy_if_different ${python_modules} ${python_dir}
                   COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/python/generate.py
                           ${PROJECT_SOURCE_DIR}/include/nicest_core.h ${PROJECT_SOURCE_DIR}/include/nicest.h
                           ${python_header}
                   DEPENDS ${python_modules} python/generate.py include/nicest_core.h include/nicest.h
                   COMMENT "Writing the ctypes of nicest.h" VERBATIM)
add_custom_target(nicest_python ALL DEPENDS ${python_header}
                  COMMAND ${CMAKE_COMMAND} -E copy_if_different $<TARGET_FILE:nicest_shared>
                          ${python_dir}/libnicest.so)
add_dependencies(nicest_python nicest_shared)
if(NICEST_PYTHON)
    install(FILES ${python_header} DESTINATION nicest COMPONENT python)
    install(FILES $<TARGET_FILE:nicest_shared> DESTINATION nicest COMPONENT python RENAME libnicest.so)
endif()
