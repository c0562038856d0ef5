#include "pin.h"

#include <dlfcn.h>
#include <string.h>

/* Absent from most static programs, which load nothing. */
#pragma weak dladdr
#pragma weak dlsym

/* By its name at run time: a static program that mentions dlopen() is warned of
 * it by its linker. */
static void *(*find_dlopen(void))(const char *, int)
{
	void *found = dlsym ? dlsym(RTLD_DEFAULT, "dlopen") : NULL;
	void *(*function)(const char *, int);

	memcpy(&function, &found, sizeof function); /* POSIX's pointers are alike */
	return function;
}

void pin_ourselves(void)
{
	static const char here;
	void *(*open_library)(const char *, int) = find_dlopen();
	Dl_info ours;

	/* Not loaded anew, only marked; of the program itself it is refused. The
	 * handle is kept for ever, as it is meant. */
	if (open_library && dladdr && dladdr(&here, &ours) && ours.dli_fname)
		(void)open_library(ours.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}
