"""What spark-submit starts. It puts this folder before all others that modules are imported from, so no file
in it may have the name of a module that anything imports."""
