"""The commands of `upskill-gen`, which writes skills and cases with a teacher."""
