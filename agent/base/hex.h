/* Hexadecimal digits: their value, or -1. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

/* Lower case alone, as names and ids of our own are written. */
static inline int hex_digit_lower(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Either case, as readers must accept them. */
static inline int hex_digit(char c)
{
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : hex_digit_lower(c);
}

#endif
