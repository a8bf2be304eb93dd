# For g++'s option -wrapper: runs the compiler's parts, changes sections on the way, and refuses names of sections by which
# a source could put directives of its own into the compiler's text. That has a section for each variable.
#
# Thread-local variables, as __shared__ variables are (keywords.h), get unused padding before each, so that an index which
# runs past one array does not reach the next. Variables of the device, which `retain` marks (flag R), go to sections of
# their own that fill whole pages.
case ${1##*/} in
as)
  for source; do :; done # the last argument
  name='[A-Za-z0-9_.$\x80-\xff]*' flags='\(,"[A-Za-z?]*"\(,@[a-z_]*\(,[^"[:space:]]*\)*\)\?\)\?'
  section='^[[:space:]]*\.section[[:space:]]*'
  sed -i "/$section/{
/$section\($name\|\.note\.GNU-stack\)$flags\$/!s/.*/\t.error \"a section's name may have letters, digits, _, . and \$ only\"/
s/$section\.tbss.*/&\n\t.zero\t512/
s/$section\.bss\.[^,]*,\"aw\(G\{0,1\}\)R\"/\t.section\tupskill_device_zero,\"aw\1\"/
s/$section\.\(data\|rodata\)[^,]*,\"aw\{0,1\}\(G\{0,1\}\)R\"/\t.section\tupskill_device,\"aw\2\"/
}" "$source"
  for kind in upskill_device,progbits upskill_device_zero,nobits; do
    grep -q "$section${kind%,*}," "$source" &&
      printf '\t.section\t%s,"aw",@%s,unique,1\n\t.balign\t4096\n\t.zero\t4096\n' "${kind%,*}" "${kind#*,}" >> "$source"
  done
  ;;
esac
exec "$@"
