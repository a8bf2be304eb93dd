# For g++'s option -wrapper: runs the compiler's parts, keeps __shared__ variables apart on the way, and refuses names of
# sections by which a source could put directives of its own into the compiler's text.
#
# The compiler's text has a section for each thread-local variable, as __shared__ variables are (keywords.h). Unused
# padding goes before each, so that an index which runs past one array does not reach the next.
case ${1##*/} in
as)
  for source; do :; done # the last argument
  name='[A-Za-z0-9_.$\x80-\xff]*' flags='\(,"[A-Za-z?]*"\(,@[a-z_]*\(,[^"[:space:]]*\)*\)\?\)\?'
  sed -i "/^[[:space:]]*\.section[[:space:]]/{
/^[[:space:]]*\.section[[:space:]]*\($name\|\.note\.GNU-stack\)$flags\$/!s/.*/\t.error \"a section's name may have letters, digits, _, . and \$ only\"/
s/^[[:space:]]*\.section[[:space:]]*\.tbss.*/&\n\t.zero\t512/
}" "$source"
  ;;
esac
exec "$@"
