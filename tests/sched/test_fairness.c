/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_fairness.c: device time among clients: weights, greedy clients, classes. Devices take a fixed time
 * (in sleep), and what is compared are shares and orders, not times, so that a busy machine does no harm.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "rig.h"

/* A client that keeps `depth` requests waiting until it is stopped. */
struct tenant {
    struct tf2_client *client;
    struct tf2_accelerator *accelerator;
    const struct bank *bank;
    float out[RIG_MAX_VALUES];
    atomic_bool *stop;
    atomic_uint n_done, n_open;
};

static void
again(void *user, struct tf2_request *request, enum tf2_status status, const struct tf2_error *error)
{
    struct tenant *t = user;
    (void)request;
    (void)error;
    if (status == TF2_OK)
        atomic_fetch_add(&t->n_done, 1);
    if (!atomic_load(t->stop)) {
        const struct tf2_request_options options = {.callback = again, .user = t};
        const void *inputs[] = {t->bank->in};
        void *outputs[] = {NULL};
        if (tf2_client_submit(t->client, t->accelerator, inputs, outputs, &options, NULL, NULL) == TF2_OK)
            return;
    }
    atomic_fetch_sub(&t->n_open, 1);
}

static void start(
    struct tenant *t, struct rig *rig, struct tf2_accelerator *accelerator, const struct bank *bank,
    unsigned depth, const struct tf2_client_options *options, atomic_bool *stop)
{
    *t = (struct tenant){
        .client = rig_client(rig, options), .accelerator = accelerator, .bank = bank, .stop = stop};
    for (unsigned i = 0; i < depth; i++) {
        atomic_fetch_add(&t->n_open, 1);
        const struct tf2_request_options request = {.callback = again, .user = t};
        const void *inputs[] = {bank->in};
        void *outputs[] = {NULL};
        MUST(tf2_client_submit(t->client, accelerator, inputs, outputs, &request, NULL, e));
    }
}

static void finish(struct tenant *t)
{
    RIG_UNTIL(atomic_load(&t->n_open) == 0);
    tf2_client_destroy(&t->client);
}

static uint64_t device_ns(const struct tenant *t)
{
    struct tf2_client_stats stats;
    assert_int_equal(tf2_client_stats(t->client, &stats), TF2_OK);
    return stats.device_ns;
}

static bool shares_are_right(const struct tenant *tenants, const double *weights, int n)
{
    double used[8], all = 0, all_weights = 0;
    bool right = true;
    for (int i = 0; i < n; i++) {
        all += used[i] = (double)device_ns(&tenants[i]);
        all_weights += weights[i];
    }
    for (int i = 0; i < n; i++) {
        double share = used[i] / all, wanted = weights[i] / all_weights;
        right &= share > wanted * 0.9 && share < wanted * 1.1;
    }
    return right;
}

/* Weights 1 : 2 : 4, on models whose costs are 8 : 1 : 3, on two devices. */
static void test_weights(void **state)
{
    (void)state;
    static const int64_t costs[] = {160, 20, 60};
    static const double weights[] = {1, 2, 4};
    struct rig rig;
    struct bank banks[3];
    struct tf2_accelerator *accelerators[3];
    struct tenant tenants[3];
    atomic_bool stop = false;
    rig_open(&rig, 2, NULL);
    for (int i = 0; i < 2; i++)
        atomic_store(&rig.control[i].value_ns, 10000); /* 1.6, 0.2 and 0.6 ms */
    for (int i = 0; i < 3; i++) {
        struct tf2_model *model = model_copy(costs[i]);
        bank_open(&banks[i], model, 1, 1);
        accelerators[i] = rig_load(&rig, model, NULL);
    }
    for (int i = 0; i < 3; i++)
        start(
            &tenants[i], &rig, accelerators[i], &banks[i], 6,
            &(struct tf2_client_options){.weight = weights[i]}, &stop);
    RIG_UNTIL(device_ns(&tenants[0]) > 300 * MS); /* as device time goes: 2.1 s on all devices together */
    /* What a run took while the machine had paused it is made good, which takes time. */
    RIG_UNTIL(shares_are_right(tenants, weights, 3));
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) {
        finish(&tenants[i]);
        tf2_accelerator_close(&accelerators[i]);
        bank_close(&banks[i]);
    }
    rig_close(&rig);
}

/* --- one model, device 0 only, one run at a time --- */

struct fixture {
    struct rig rig;
    struct bank bank;
    struct tf2_accelerator *accelerator;
    atomic_uint counter;
};

static void open_fixture(struct fixture *f, const struct tf2_engine_options *options)
{
    struct tf2_model *model = model_gemm();
    memset(f, 0, sizeof(*f));
    bank_open(&f->bank, model, 4, 7);
    rig_open(&f->rig, 1, options);
    f->accelerator = rig_load(&f->rig, model, NULL);
}

static void close_fixture(struct fixture *f)
{
    tf2_accelerator_close(&f->accelerator);
    bank_close(&f->bank);
    rig_close(&f->rig);
}

/* The device hangs in a request of this client. */
static void occupy(struct fixture *f, struct tf2_client *client, struct call *call)
{
    atomic_store(&f->rig.control[0].next[FAULT_HANG], 1);
    call_submit(call, client, f->accelerator, &f->bank, 0, NULL);
    RIG_UNTIL(atomic_load(&f->rig.control[0].n_hanging) == 1);
}

static void submit_counted(struct fixture *f, struct tf2_client *client, struct call *calls, size_t n)
{
    for (size_t i = 0; i < n; i++)
        call_submit_counted(&calls[i], client, f->accelerator, &f->bank, i % 4, 0, &f->counter);
}

/* What happened in one try of a scenario that a pause of the machine can spoil. */
typedef bool attempt(void);

static void one_try_succeeds(attempt *scenario)
{
    int n_tries = 1;
    while (!scenario()) {
        if (n_tries++ == 5)
            fail_msg("%d tries, none went as it should", n_tries - 1);
    }
}

#define N_GREEDY 10000

/* Behind 10 000 requests of another client, each of three requests waits for about one run. */
static bool greedy_client(void)
{
    struct fixture f;
    static struct call greedy[N_GREEDY];
    struct call first, modest[3];
    bool in_time = true;
    open_fixture(&f, NULL);
    atomic_store(&f.rig.control[0].run_ns, 100000);
    struct tf2_client *a = rig_client(&f.rig, NULL), *b = rig_client(&f.rig, NULL);
    occupy(&f, a, &first);
    submit_counted(&f, a, greedy, N_GREEDY);
    submit_counted(&f, b, modest, 3);
    fault_release(&f.rig.control[0]);
    for (int i = 0; i < 3; i++) {
        RIG_UNTIL(atomic_load(&modest[i].n_callbacks) == 1);
        in_time &= modest[i].order <= 3 * (unsigned)i + 4;
    }
    tf2_client_destroy(&a); /* the others are cancelled */
    call_wait(&first, TF2_OK);
    tf2_client_destroy(&b);
    for (size_t i = 0; i < N_GREEDY; i++)
        RIG_UNTIL(atomic_load(&greedy[i].n_callbacks) == 1);
    close_fixture(&f);
    return in_time;
}

static void test_greedy_client(void **state)
{
    (void)state;
    one_try_succeeds(greedy_client);
}

/* A client that was idle for long has no claim from that time. */
static bool idle_time_is_not_saved(void)
{
    struct fixture f;
    static struct call busy[100], idle[100];
    struct call first;
    open_fixture(&f, NULL);
    atomic_store(&f.rig.control[0].run_ns, MS);
    struct tf2_client *a = rig_client(&f.rig, NULL), *b = rig_client(&f.rig, NULL);
    rig_run_items(a, f.accelerator, &f.bank, 100); /* b could have had half of this */
    occupy(&f, a, &first);
    submit_counted(&f, a, busy, 100);
    submit_counted(&f, b, idle, 100);
    fault_release(&f.rig.control[0]);
    for (int i = 0; i < 100; i++) {
        RIG_UNTIL(atomic_load(&busy[i].n_callbacks) == 1);
        RIG_UNTIL(atomic_load(&idle[i].n_callbacks) == 1);
    }
    /* In turns, once the run that hung, which was a long one, is made good. */
    unsigned of_busy = 0;
    for (int i = 0; i < 100; i++)
        of_busy += busy[i].order < 100;
    call_wait(&first, TF2_OK);
    tf2_client_destroy(&a);
    tf2_client_destroy(&b);
    close_fixture(&f);
    return of_busy >= 20 && of_busy <= 60;
}

static void test_idle_time_is_not_saved(void **state)
{
    (void)state;
    one_try_succeeds(idle_time_is_not_saved);
}

/* A run that takes longer than expected is charged when it ends: the other client goes first until it has had
 * as much. */
static bool long_run_is_charged(void)
{
    struct fixture f;
    static struct call of_a[100], of_b[100];
    struct call first;
    unsigned n_late = 0;
    open_fixture(&f, &(struct tf2_engine_options){.starve_ns = 60000 * MS});
    atomic_store(&f.rig.control[0].run_ns, MS);
    struct tf2_client *a = rig_client(&f.rig, NULL), *b = rig_client(&f.rig, NULL);
    rig_run_items(a, f.accelerator, &f.bank, 5);
    rig_run_items(b, f.accelerator, &f.bank, 5);
    occupy(&f, a, &first);
    submit_counted(&f, a, of_a, 100);
    submit_counted(&f, b, of_b, 100);
    rig_sleep(400 * MS); /* of runs that take one */
    fault_release(&f.rig.control[0]);
    for (int i = 0; i < 100; i++) {
        RIG_UNTIL(atomic_load(&of_a[i].n_callbacks) == 1);
        RIG_UNTIL(atomic_load(&of_b[i].n_callbacks) == 1);
        n_late += of_b[i].order > 110;
    }
    call_wait(&first, TF2_OK);
    tf2_client_destroy(&a);
    tf2_client_destroy(&b);
    close_fixture(&f);
    return n_late == 0;
}

static void test_long_run_is_charged(void **state)
{
    (void)state;
    one_try_succeeds(long_run_is_charged);
}

/* --- classes --- */

static void test_classes_go_in_order(void **state)
{
    (void)state;
    static const enum tf2_priority classes[] = {TF2_PRIORITY_LOW, TF2_PRIORITY_NORMAL, TF2_PRIORITY_HIGH};
    struct fixture f;
    struct tf2_client *clients[3];
    struct call first, calls[3][10];
    open_fixture(&f, &(struct tf2_engine_options){.starve_ns = 60000 * MS});
    for (int i = 0; i < 3; i++)
        clients[i] = rig_client(&f.rig, &(struct tf2_client_options){.priority = classes[i]});
    occupy(&f, clients[0], &first);
    for (int i = 0; i < 3; i++)
        submit_counted(&f, clients[i], calls[i], 10);
    fault_release(&f.rig.control[0]);
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 10; k++) {
            RIG_UNTIL(atomic_load(&calls[i][k].n_callbacks) == 1);
            assert_int_equal(calls[i][k].order, (2 - i) * 10 + k);
        }
    }
    call_wait(&first, TF2_OK);
    for (int i = 0; i < 3; i++)
        tf2_client_destroy(&clients[i]);
    close_fixture(&f);
}

/* Under a flood of a higher class a lower one gets a turn every starve_ns, and not more. */
static void test_nobody_starves(void **state)
{
    (void)state;
    struct fixture f;
    struct tenant high, low;
    struct call first;
    atomic_bool stop = false;
    open_fixture(&f, &(struct tf2_engine_options){.starve_ns = 50 * MS});
    atomic_store(&f.rig.control[0].run_ns, MS);
    struct tf2_client *other =
        rig_client(&f.rig, &(struct tf2_client_options){.priority = TF2_PRIORITY_HIGH});
    occupy(&f, other, &first);
    start(
        &high, &f.rig, f.accelerator, &f.bank, 20,
        &(struct tf2_client_options){.priority = TF2_PRIORITY_HIGH}, &stop);
    start(
        &low, &f.rig, f.accelerator, &f.bank, 20, &(struct tf2_client_options){.priority = TF2_PRIORITY_LOW},
        &stop);
    uint64_t begin_ns = rig_now();
    fault_release(&f.rig.control[0]);
    RIG_UNTIL(atomic_load(&low.n_done) >= 8);
    uint64_t ns = rig_now() - begin_ns;
    unsigned of_high = atomic_load(&high.n_done), of_low = atomic_load(&low.n_done);
    atomic_store(&stop, true);
    assert_true(ns >= 7 * 50 * MS - 60 * MS);
    assert_true(of_high > 5 * of_low);
    call_wait(&first, TF2_OK);
    tf2_client_destroy(&other);
    finish(&high);
    finish(&low);
    close_fixture(&f);
}

/* Devices of unequal speed: the faster one gets more, and none is idle. */
static void test_unequal_devices(void **state)
{
    (void)state;
    struct rig rig;
    struct bank bank;
    struct tenant tenant;
    struct tf2_device_stats fast, slow;
    atomic_bool stop = false;
    struct tf2_model *model = model_gemm();
    bank_open(&bank, model, 1, 1);
    rig_open(&rig, 2, NULL);
    atomic_store(&rig.control[0].run_ns, 40 * MS);
    atomic_store(&rig.control[1].run_ns, 10 * MS);
    struct tf2_accelerator *accelerator = rig_load(&rig, model, NULL);
    start(&tenant, &rig, accelerator, &bank, 8, NULL, &stop);
    RIG_UNTIL(atomic_load(&tenant.n_done) > 100);
    atomic_store(&stop, true);
    finish(&tenant);
    assert_int_equal(tf2_engine_device_stats(rig.engine, 0, &slow), TF2_OK);
    assert_int_equal(tf2_engine_device_stats(rig.engine, 1, &fast), TF2_OK);
    assert_true(slow.n_items >= 10);
    assert_true(fast.n_items > 2 * slow.n_items && fast.n_items < 8 * slow.n_items);
    tf2_accelerator_close(&accelerator);
    bank_close(&bank);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_greedy_client),
        cmocka_unit_test(test_idle_time_is_not_saved),
        cmocka_unit_test(test_long_run_is_charged),
        cmocka_unit_test(test_classes_go_in_order),
        cmocka_unit_test(test_nobody_starves),
        cmocka_unit_test(test_unequal_devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
