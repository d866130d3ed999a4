/* The page that map_file() maps, in each process its own. */
static char *mapped_file;
