/* For what differs from machine to machine: whether there is any. */
static const char *is_there(const char *value)
{
    return value ? "some" : NULL;
}
