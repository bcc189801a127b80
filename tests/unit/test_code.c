/*
 * test_code.c - scripts that go elsewhere by themselves, and scripts that only look so.
 */
#include "tests/unit/test.h"

#include "worker/tracer/code.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct code_signs signs_of(const char *code)
{
    struct code_signs signs = {0};

    code_read(str_from(code), &signs);
    return signs;
}

static void what_navigates_is_seen(void **state)
{
    static const char *const cases[] = {
        "location='/x'",
        "location = u",
        "window.location.href=\"http://a.test/\"",
        "document.location=x",
        "self.location.replace('/x')",
        "top.location.assign(u)",
        "window['location']='/x'",
        "window[\"location\"].href = u",
        "setTimeout(function(){location.href='/x'},100)",
        "setTimeout(()=>{location.replace(u)},100)",
        "var go=function(u){document.location=u};setTimeout(go,200,'/q')",
        "document.getElementById('k').click()",
        "a.onclick=function(){b()};location='/x'",
        "a.addEventListener('click',function(){b()});location='/x'",
        "a.onclick=b;setTimeout(function(){location='/x'})",
        "addEventListener('load',function(){location='/x'})",
        "window.onload=()=>{location.href='/x'}",
        "$(document).ready(function(){location='/x'})",
        "x=/'/;location='/x'",
        "x=a/b;location='/x'//'",
        "/* ' */location='/x'",
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        if (!signs_of(cases[i]).navigates)
            fail_msg("not seen: %s", cases[i]);
}

static void what_only_looks_so_is_not(void **state)
{
    static const char *const cases[] = {
        "",
        "if(location=='x'){}",
        "if(location.href==='x'){}",
        "var u=location.href",
        "var location_id='x'",
        "mylocation='x'",
        "'location=1'",
        "\"window.location.href='/x'\"",
        "// location='/x'",
        "/* location='/x' */",
        "x=/location='a'/",
        "s.replace('a','b')",
        "name.href='x'",
        "b.onclick=function(){window.location.href='/x'}",
        "b.onclick=()=>{location='/x'}",
        "b.addEventListener('click',function(e){location.assign('/x')})",
        "b.addEventListener('click',e=>location.assign('/x'))",
        "$('#b').on('click',function(){location='/x'})",
        "$('#b').click(function(){location='/x'})",
        "$('form').submit(function(){location='/x'})",
        "window.open('/x')",
        "({location:'/x'})",
        "f({href:location.href})",
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        if (signs_of(cases[i]).navigates)
            fail_msg("seen in: %s", cases[i]);
}

static void submits_and_packed_code_are_seen(void **state)
{
    (void)state;
    assert_true(signs_of("document.forms[0].submit()").submits);
    assert_true(signs_of("f.requestSubmit()").submits);
    assert_false(signs_of("b.onclick=function(){f.submit()}").submits);
    assert_false(signs_of("$('form').submit(check)").submits);
    assert_true(signs_of("eval(x)").is_hidden);
    assert_true(signs_of("window.atob('eA==')").is_hidden);
    assert_true(signs_of("String.fromCharCode(1)").is_hidden);
    assert_false(signs_of("evaluate(x)").is_hidden);
}

static void code_after_a_handler_counts_again(void **state)
{
    (void)state;
    assert_true(signs_of("b.onclick=function(){if(a){location='/x'}};location='/y'").navigates);
    assert_true(signs_of("b.addEventListener('click',e=>a(e));location='/y'").navigates);
    assert_false(signs_of("b.onclick=function(){if(a){c()}location='/x'}").navigates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_navigates_is_seen),
        cmocka_unit_test(what_only_looks_so_is_not),
        cmocka_unit_test(submits_and_packed_code_are_seen),
        cmocka_unit_test(code_after_a_handler_counts_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
