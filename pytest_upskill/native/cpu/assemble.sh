# For g++'s option -wrapper: runs the compiler's parts, and changes sections on the way. The compiler's text has a section
# for each variable.
#
# Thread-local variables, as __shared__ variables are (keywords.h), get unused padding before each, so that an index which
# runs past one array does not reach the next. Variables of the device, which `retain` marks (flag R), go to sections of
# their own that fill whole pages. An object with __managed__ variables imports a name that tells so.
case ${1##*/} in
as)
  for source; do :; done # the last argument
  sed -i -e 's/^[[:space:]]*\.section[[:space:]]*\.tbss.*/&\n\t.zero\t512/' \
    -e 's/^\([[:space:]]*\.section[[:space:]]*\)\.bss\.[^,]*,"aw\(G\{0,1\}\)R"/\1upskill_device_zero,"aw\2"/' \
    -e 's/^\([[:space:]]*\.section[[:space:]]*\)\.\(data\|rodata\)[^,]*,"aw\{0,1\}\(G\{0,1\}\)R"/\1upskill_device,"aw\3"/' \
    "$source"
  for section in upskill_device,progbits upskill_device_zero,nobits; do
    grep -q "^[[:space:]]*\.section[[:space:]]*${section%,*}," "$source" &&
      printf '\t.section\t%s,"aw",@%s,unique,1\n\t.balign\t4096\n\t.zero\t4096\n' "${section%,*}" "${section#*,}" >> "$source"
  done
  grep -q '^[[:space:]]*\.section[[:space:]]*upskill_managed,' "$source" &&
    printf '\t.section\tupskill_uses,"aw"\n\t.quad\tupskill_cpu_managed_variables\n' >> "$source"
  ;;
esac
exec "$@"
