/*
 * replay.c - main for a harness that is not built as a fuzzer: feeds it each file that it is given.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_BYTES = 1024 * 1024 };

int main(int argc, char **argv)
{
    uint8_t *data = malloc(INPUT_BYTES);

    if (!data || argc < 2)
        return 2;
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");

        if (!f) {
            perror(argv[i]);
            return 2;
        }
        LLVMFuzzerTestOneInput(data, fread(data, 1, INPUT_BYTES, f));
        fclose(f);
    }
    printf("%d inputs\n", argc - 1);
    free(data);
    return 0;
}
