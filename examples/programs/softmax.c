/* A softmax over the last axis and its gradient, for softproof's process adapter (docs/guides/adapters.md).

   cc -O2 -o softmax softmax.c -lm
   softproof verify --adapter process ./softmax

   It assumes a machine whose numbers are little-endian, as the bytes of the protocol are. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE 4096

typedef struct {
    int ndim;
    long shape[8];
    float *data; /* NULL where no such array was given */
} Array;

static long count(const Array *a) {
    long n = 1;
    for (int i = 0; i < a->ndim; i++) n *= a->shape[i];
    return n;
}

/* "array NAME float32 NDIM SIZE…", and the bytes that follow that line */
static Array read_array(char *line) {
    Array a = {0};
    strtok(line, " "), strtok(NULL, " "), strtok(NULL, " ");
    a.ndim = atoi(strtok(NULL, " "));
    for (int i = 0; i < a.ndim; i++) a.shape[i] = atol(strtok(NULL, " "));
    a.data = malloc((size_t)count(&a) * sizeof(float) + 1);
    if (fread(a.data, sizeof(float), (size_t)count(&a), stdin) != (size_t)count(&a)) exit(1);
    return a;
}

static void write_array(const char *name, const Array *like, const float *data) {
    printf("array %s float32 %d", name, like->ndim);
    for (int i = 0; i < like->ndim; i++) printf(" %ld", like->shape[i]);
    printf("\n");
    fwrite(data, sizeof(float), (size_t)count(like), stdout);
}

/* p_i = exp(z_i - max z) / sum_j exp(z_j - max z) */
static void softmax(long n, const float *z, float *p) {
    float m = z[0], s = 0;
    for (long i = 1; i < n; i++) m = z[i] > m || isnan(z[i]) ? z[i] : m;
    for (long i = 0; i < n; i++) s += p[i] = expf(z[i] - m);
    for (long i = 0; i < n; i++) p[i] /= s;
}

/* p_i (g_i - sum_j g_j p_j) */
static void softmax_backward(long n, const float *g, const float *p, float *grad) {
    float mean = 0;
    for (long i = 0; i < n; i++) mean += g[i] * p[i];
    for (long i = 0; i < n; i++) grad[i] = p[i] * (g[i] - mean);
}

int main(void) {
    char line[LINE];
    if (!fgets(line, LINE, stdin)) return 1; /* softproof 2 */
    printf("softproof 2\noperation softmax\ndtype float32\nwithout empty_classes scalars\ngradients\nend\n");
    fflush(stdout);
    while (fgets(line, LINE, stdin)) { /* question NONCE */
        char nonce[LINE] = "";
        sscanf(line, "question %s", nonce);
        Array z = {0}, g = {0};
        while (fgets(line, LINE, stdin) && strncmp(line, "end", 3)) {
            if (!strncmp(line, "array logits ", 13)) z = read_array(line);
            if (!strncmp(line, "array grad_output ", 18)) g = read_array(line);
        }
        long n = z.ndim ? z.shape[z.ndim - 1] : 1, size = count(&z); /* a number alone is a row of one class */
        float *p = malloc((size_t)size * sizeof(float) + 1), *grad = malloc((size_t)size * sizeof(float) + 1);
        for (long row = 0; row < size; row += n) softmax(n, z.data + row, p + row);
        printf("answer %s\n", nonce);
        write_array("value", &z, p);
        if (g.data) {
            for (long row = 0; row < size; row += n) softmax_backward(n, g.data + row, p + row, grad + row);
            write_array("grad_logits", &z, grad);
        }
        printf("end\n");
        fflush(stdout);
        free(z.data), free(g.data), free(p), free(grad);
    }
    return 0;
}
