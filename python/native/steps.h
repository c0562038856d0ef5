/* steps.h - beginning the steps of <spanring/genai.h>. */
#ifndef PYTHON_STEPS_H
#define PYTHON_STEPS_H

#include "native.h"

#include <spanring/genai.h>

/* A step that is being begun: its texts, and what every start has. */
struct step {
	struct span_object *span;
	struct start start;
	struct values texts;
};

/* `arguments` by start_parameter. 0, or -1 with an exception; step_finish() follows. */
int step_prepare(struct step *step, PyObject *const *arguments);

/* r: what came of it. The span, or NULL with an exception. */
PyObject *step_finish(struct step *step, int r);

/* The handle of what must be a Span; NULL with an exception. */
struct spanring_span *step_handle(PyObject *span);

/* Parameters. The texts are as values_closed_text() has them, or with their length, so
 * that a NUL is no end. Of numbers what is not known, and what is none, which is counted,
 * leaves the result as it is. */
int take_text(struct step *step, PyObject *object, const char **ret_text);
int take_content(struct values *texts, PyObject *object, const char **ret_text,
		 size_t *ret_length);
void take_int(PyObject *object, int64_t *number);
void take_double(PyObject *object, double *number);

/* A tuple (input, output, cache read, cache creation, reasoning), None for unknown. */
void take_usage(PyObject *object, struct spanring_usage *ret_usage);

/* ---- genai_llm.c ---- */

int genai_llm_init(void);
extern PyMethodDef genai_llm_methods[];

#endif
