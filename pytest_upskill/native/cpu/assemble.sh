# For g++'s option -wrapper: runs the compiler's parts, and keeps __shared__ variables apart on the way.
#
# The compiler's text has a section for each thread-local variable, as __shared__ variables are (keywords.h). Unused
# padding goes before each, so that an index which runs past one array does not reach the next.
case ${1##*/} in
as)
  for source; do :; done # the last argument
  sed -i 's/^[[:space:]]*\.section[[:space:]]*\.tbss.*/&\n\t.zero\t512/' "$source"
  ;;
esac
exec "$@"
