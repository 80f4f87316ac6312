/* test_model_sealed.c - what is in a model file cannot make its reader do anything but compute: a
 * process that may not open, create, rename or remove a file, start a program or a process, or use
 * the network loads models and uses them, and is not stopped. Linux alone can forbid that. */
#include "damage.h"

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { TRIALS = 1000, FORBIDDEN_STATUS = 31 /* SIGSYS */ };

static const int FORBIDDEN[] = {
#ifdef __NR_open
    __NR_open,      __NR_creat,   __NR_unlink,   __NR_rename,   __NR_link,      __NR_symlink,
    __NR_mkdir,     __NR_chmod,   __NR_fork,     __NR_vfork,
#endif
    __NR_openat,    __NR_execve,  __NR_execveat, __NR_unlinkat, __NR_renameat2, __NR_linkat,
    __NR_symlinkat, __NR_mkdirat, __NR_fchmodat, __NR_truncate, __NR_ftruncate, __NR_socket,
    __NR_connect,   __NR_sendto,  __NR_ptrace,   __NR_kill};
enum { FORBIDDEN_COUNT = sizeof FORBIDDEN / sizeof *FORBIDDEN };

/* From now on one of these ends the process with SIGSYS. False where the kernel has no filters. */
static bool seal(void)
{
    struct sock_filter rules[FORBIDDEN_COUNT + 3];
    size_t count = 0;
    rules[count++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < FORBIDDEN_COUNT; i++)
        rules[count++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)FORBIDDEN[i],
                                         (unsigned char)(FORBIDDEN_COUNT - i), 0);
    rules[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    rules[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog program = {(unsigned short)count, rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Runs `act` in a sealed child; its exit status, or the signal that ended it. 77: no filters. */
static int in_child(void (*act)(const bytes *), const bytes *file)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!seal())
            _exit(77);
        act(file);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void open_a_file(const bytes *file)
{
    (void)file;
    FILE *other = fopen("/dev/null", "rb");
    if (other)
        fclose(other);
}

static void use(nicest_model *model)
{
    nicest_workspace *w = NULL;
    double row[64], logp;
    if (nicest_model_columns(model) <= 64 && nicest_workspace_new(&w, model, 1, 1) == NICEST_OK) {
        nicest_sample(w, 1, 1, 0, 1, row);
        nicest_score(w, row, 1, 1, &logp);
    }
    nicest_workspace_free(w);
}

static void load_and_use(const bytes *file)
{
    for (int trial = 0; trial < TRIALS; trial++) {
        bytes b = trial ? damaged(file) : *file;
        nicest_model *model = NULL;
        if (nicest_model_load_bytes(&model, b.data, b.size) == NICEST_OK)
            use(model);
        else if (!trial)
            _exit(1);
        nicest_model_free(model);
        if (trial)
            memory_free(b.data);
    }
}

/* Texts that would be a way out, if anything took them for one. */
static bytes tempting(void)
{
    static const char text[] = "\"../../etc/passwd\":\"$(touch x); file:///etc/passwd %n%s\",";
    bytes original = read_bytes(FIXTURE);
    bytes b = {memory_new(original.size + GROWTH, 1), original.size};
    memcpy(b.data, original.data, original.size);
    memory_free(original.data);
    size_t at = find(&b, "\"__metadata__\":{");
    assert_true(at > 0);
    splice(&b, at + strlen("\"__metadata__\":{"), 0, text);
    return b;
}

static void a_sealed_process_loads_models(void **state)
{
    (void)state;
    if (in_child(open_a_file, NULL) == 77)
        skip();
    assert_int_equal(in_child(open_a_file, NULL), FORBIDDEN_STATUS); /* the seal holds */
    bytes files[] = {read_bytes(FIXTURE), read_bytes(FIXTURE_PICTURE), tempting()};
    /* What a first product, a first random number and a first message need is there before. */
    nicest_model *model = load(FIXTURE);
    use(model);
    nicest_model_free(model);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_int_equal(in_child(load_and_use, &files[i]), 0);
        memory_free(files[i].data);
    }
}
#else
static void a_sealed_process_loads_models(void **state)
{
    (void)state;
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_sealed_process_loads_models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
