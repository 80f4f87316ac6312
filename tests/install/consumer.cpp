// consumer.cpp - a user's program in C++: the header is clean as C++ and its functions link as C.
#include <nicest.h>

#include <cstdio>
#include <string>
#include <vector>

int main()
{
    if (std::string(nicest_version()) != EXPECTED_VERSION || nicest_processors() < 1)
        return 1;
    const std::vector<double> values{1, 2, 3, 4, 5, 6};
    nicest_data *data = nullptr;
    if (nicest_data_new(&data, values.data(), 3, 2, nullptr) != NICEST_OK) {
        std::fprintf(stderr, "consumer: %s\n", nicest_error());
        return 1;
    }
    const bool right = nicest_data_rows(data) == 3 && nicest_data_columns(data) == 2;
    nicest_data_free(data);
    return right ? 0 : 1;
}
